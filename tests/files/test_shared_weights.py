"""Linear layers that share a weight, against the network in PyTorch."""

import onnx
import pytest
import torch
from torch import nn

from tests.integer_kernels import error
from utils.files.deployment import export
from utils.files.int8_files import to_dynamic, to_int8
from utils.files.shared_weights import turn_shared_weights
from utils.models import seeded


def linear(*middle):
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), *middle, nn.Linear(16, 5))


def used(times):
    layer = nn.Linear(16, 16)
    return linear(*[layer, nn.ReLU()] * times)


def tied_pairs():
    layers = [nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 32), nn.Linear(32, 16)]
    layers[2].weight, layers[3].weight = layers[0].weight, layers[1].weight
    return linear(*layers)


class Looked(nn.Module):
    """A table of words whose entries are a linear layer's weights as well."""

    def __init__(self):
        super().__init__()
        self.table, self.linear = nn.Embedding(16, 16), nn.Linear(16, 16)
        self.linear.weight = self.table.weight

    def forward(self, x):
        return self.linear(self.table((10 * x.flatten(1)).long().clamp(0, 9)).mean(1))


SHARED = {"twice": lambda: used(2), "three times": lambda: used(3), "pairs": tied_pairs, "a table": Looked}


@pytest.fixture(params=SHARED.values(), ids=SHARED)
def model(request):
    return seeded(request.param, 0).eval()


@pytest.fixture
def images():
    return torch.rand(40, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def shapes(path):
    weights = [tuple(item.dims) for item in onnx.load(path).graph.initializer]
    return sorted(shape for shape in weights if len(shape) > 1)


def test_what_is_turned_computes_the_same(model, images, tmp_path):
    path = tmp_path / "model.onnx"
    export(model, images[:2], path)
    before = path.read_bytes()
    turn_shared_weights(path)
    assert path.read_bytes() != before and error(path, images, model) < 1e-5


def test_dynamic_files_are_right(model, images, tmp_path):
    export(model, images[:2], tmp_path / "float32.onnx")
    to_dynamic(tmp_path / "float32.onnx", tmp_path / "dynamic.onnx")
    assert error(tmp_path / "dynamic.onnx", images, model) < 0.05


def test_a_shared_weight_is_stored_once(images, tmp_path):
    export(seeded(lambda: used(2), 0).eval(), images[:2], tmp_path / "float32.onnx")
    to_dynamic(tmp_path / "float32.onnx", tmp_path / "dynamic.onnx")
    assert shapes(tmp_path / "dynamic.onnx") == [(16, 5), (16, 16), (48, 16)]


def test_a_file_without_shared_weights_stays_as_it_is(images, tmp_path):
    path = tmp_path / "model.onnx"
    export(seeded(lambda: used(1), 0).eval(), images[:2], path)
    before = path.read_bytes()
    turn_shared_weights(path)
    assert path.read_bytes() == before


def test_a_file_that_the_runtime_would_not_run_is_not_written(images, tmp_path):
    """With fixed ranges it has no kernel for a table that is a layer's weight as well."""
    export(seeded(Looked, 0).eval(), images[:2], tmp_path / "float32.onnx")
    with pytest.raises(
        ValueError, match=r"^ONNX Runtime cannot quantize .*float32.onnx \(.*nothing was written"
    ):
        to_int8(tmp_path / "float32.onnx", tmp_path / "int8.onnx", images)
    assert [path.name for path in tmp_path.iterdir()] == ["float32.onnx"]
