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


class Doing(nn.Module):
    """What the test says, with a linear layer for 25 pixels."""

    def __init__(self, forward):
        super().__init__()
        self.linear = nn.Linear(25, 3)
        self.register_buffer("four", torch.zeros(4, 3))
        self.compute = forward

    def forward(self, x):
        return self.compute(self, x)


def quadruple(x):
    return 2 if len(x) == 4 else 1


FIXED = {
    "reshaped": lambda self, x: x.reshape(4, 25),
    "reshaped to any width": lambda self, x: x[..., :4].reshape(4, -1)[:, :5],
    "summed in four rows": lambda self, x: self.linear(x.flatten(1)) + x.reshape(4, -1).sum(1, keepdim=True),
    "a buffer": lambda self, x: x.flatten(1)[:, :3] + self.four,
    "a branch": lambda self, x: quadruple(x) * self.linear(x.flatten(1)),
    "a loop": lambda self, x: torch.stack([self.linear(image.flatten()) for image in x]),
    "a list": lambda self, x: self.linear(torch.tensor(x.tolist()).flatten(1)),
}


@pytest.mark.parametrize("forward", FIXED.values(), ids=FIXED)
def test_networks_for_one_batch_size_are_refused_and_nothing_is_written(forward, tmp_path):
    (tmp_path / "model.onnx").write_text("an earlier file")
    with pytest.raises(ValueError, match=r"^Doing works for 4 images, .* but not for 5; nothing was written"):
        export(Doing(forward).eval(), torch.rand(4, 1, 5, 5), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "an earlier file"


BRANCHES = {
    "if": lambda self, x: self.linear(x.flatten(1)) if x.mean() > 0 else x.flatten(1)[:, :3],
    "item": lambda self, x: self.linear(x.flatten(1)) * (2 if x.mean().item() > 0.2 else 1),
    "a number of pixels": lambda self, x: self.linear(x.flatten(1)) * (2 if len(x[x > 0]) > 9 else 1),
}


@pytest.mark.parametrize("forward", BRANCHES.values(), ids=BRANCHES)
def test_networks_that_branch_on_values_are_refused_in_one_sentence(forward, tmp_path):
    with pytest.raises(ValueError, match=r"^Doing cannot be exported: what it computes is decided by values"):
        export(Doing(forward).eval(), torch.rand(4, 1, 5, 5), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_a_file_cannot_hold_or_run_is_refused_in_one_sentence(tmp_path):
    images, path = torch.rand(4, 1, 5, 5), tmp_path / "model.onnx"
    values = Doing(lambda self, x: torch.linalg.svdvals(x.flatten(1)[:, :9].unflatten(1, (3, 3)))).eval()
    with pytest.raises(
        ValueError, match=r"^Doing cannot be exported: No ONNX function .*nothing was written$"
    ):
        export(values, images, path)
    double = nn.Conv2d(1, 2, 3).double().eval()
    with pytest.raises(ValueError, match=r"^Conv2d cannot be exported: ONNX Runtime does not run .*written$"):
        export(double, images.double(), path)
    noisy = Doing(lambda self, x: self.linear(x.flatten(1)) + torch.rand(x.shape[0], 3)).eval()
    with pytest.raises(
        ValueError, match="the file gives other numbers than the network; nothing was written"
    ):
        export(noisy, images, path)
    assert not list(tmp_path.iterdir())


def test_images_that_the_network_does_not_take_are_refused_in_the_words_of_the_layer(network, tmp_path):
    with pytest.raises(RuntimeError, match=r"expected input\[2, 1, 12, 12\] to have 3 channels"):
        export(network, torch.rand(2, 1, 12, 12), tmp_path / "model.onnx")


UNUSUAL = {
    "a value from the images": lambda self, x: self.linear(x.flatten(1)) / float(x.max()),
    "images changed in place": lambda self, x: self.linear(x.mul_(2).flatten(1)),
    "two results": lambda self, x: (self.linear(x.flatten(1)), x.mean()),
    "infinite logits": lambda self, x: self.linear(x.flatten(1)) - torch.tensor([0, torch.inf, 0]),
    "no number": lambda self, x: self.linear(x.flatten(1)) + torch.tensor([0, torch.nan, 0]),
}


@pytest.mark.parametrize("forward", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_networks_are_exported_and_the_images_stay(forward):
    model, images = Doing(forward).eval(), torch.rand(4, 1, 5, 5)
    before, state = images.clone(), torch.random.get_rng_state()
    run = to_onnx_runtime(model, images)
    assert torch.equal(images, before) and torch.equal(torch.random.get_rng_state(), state)
    with torch.no_grad():
        for batch in (torch.rand(1, 1, 5, 5), 3 * torch.rand(7, 1, 5, 5)):
            found, wanted = run(batch), model(batch.clone())
            wanted = wanted[0] if isinstance(wanted, tuple) else wanted
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5, equal_nan=True)


def test_half_precision_is_exported():
    model, images = (
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()).half().eval(),
        torch.rand(4, 1, 5, 5).half(),
    )
    with torch.no_grad():
        torch.testing.assert_close(
            to_onnx_runtime(model, images)(images), model(images), rtol=0.01, atol=0.01
        )
