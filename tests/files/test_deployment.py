"""Oracle: the same network in PyTorch."""

import pytest
import torch
from torch import nn

from utils.files.deployment import export, open_session, to_onnx_runtime
from utils.models import ResNet


@pytest.fixture(scope="module")
def network():
    model = ResNet(4, 3, 5)
    model(torch.rand(16, 3, 12, 12))  # batch norm statistics other than 0 and 1
    return model.eval()


def test_any_batch_size_gives_the_same_logits(network):
    exported = to_onnx_runtime(network, torch.rand(2, 3, 12, 12))
    for size in (1, 2, 7):
        images = torch.rand(size, 3, 12, 12)
        with torch.no_grad():
            torch.testing.assert_close(exported(images), network(images), rtol=1e-4, atol=1e-5)


def test_a_file_gives_the_same_logits(network, tmp_path):
    images = torch.rand(3, 3, 12, 12)
    export(network, images, tmp_path / "model.onnx")
    with torch.no_grad():
        wanted = network(images)
    torch.testing.assert_close(open_session(tmp_path / "model.onnx")(images), wanted, rtol=1e-4, atol=1e-5)


def test_training_mode_and_single_examples_are_refused(network):
    with pytest.raises(ValueError, match="eval"):
        to_onnx_runtime(ResNet(4), torch.rand(2, 1, 12, 12))
    with pytest.raises(ValueError, match="1 image; give 2 or more"):
        to_onnx_runtime(network, torch.rand(1, 3, 12, 12))


class Fixed(nn.Module):
    """Works for four images at a time."""

    def forward(self, x):
        return x.reshape(4, 25)


class Added(nn.Module):
    """Works for four images at a time, because of a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(4, 3))

    def forward(self, x):
        return x.flatten(1)[:, :3] + self.state


@pytest.mark.parametrize("build", [Fixed, Added])
def test_networks_for_one_batch_size_are_refused_and_nothing_is_written(build, tmp_path):
    (tmp_path / "model.onnx").write_text("an earlier file")
    with pytest.raises(ValueError, match=rf"{build.__name__} works for 4 images only"):
        export(build().eval(), torch.rand(4, 1, 5, 5), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "an earlier file"
