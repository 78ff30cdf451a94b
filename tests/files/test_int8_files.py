"""Oracles: the network in PyTorch, its float32 file, and the arithmetic of scales and zeros by hand."""

import tempfile

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from tests.integer_kernels import error, needs_exact_kernels
from utils.files.deployment import export, open_session
from utils.files.int8_files import integer_graph, results, to_dynamic, to_int8, write_files
from utils.models import Block, seeded

KINDS = ("float32", "int8", "dynamic")


def build():
    layers = [nn.Conv2d(1, 32, 3, 2, padding=1), nn.BatchNorm2d(32), nn.ReLU(), Block(32, 32)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5))
    model(torch.rand(16, 1, 12, 12))  # batch norm statistics other than 0 and 1
    return model.eval()


@pytest.fixture(scope="module")
def network():
    return seeded(build, 0)


@pytest.fixture(scope="module")
def images():
    draws = torch.rand(40, 1, 12, 12, generator=torch.Generator().manual_seed(0)) - 0.3
    draws[-1] *= 1.5  # the range is that of the last batch
    return draws


@pytest.fixture(scope="module")
def paths(network, images, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("int8")))
        return write_files(network, images)


@pytest.fixture(scope="module")
def graph(paths):
    return integer_graph(paths["int8"])


@pytest.fixture(scope="module")
def found(graph, images):
    return results(graph, images)


def constants(path):
    return {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}


def real(values, graph, scale, zero):
    """What integers stand for."""
    return (values.astype(np.float32) - graph.constants[zero]) * graph.constants[scale]


def test_three_files_in_a_new_folder(paths):
    assert tuple(paths) == KINDS and len({path.parent for path in paths.values()}) == 1
    assert all(path.is_file() for path in paths.values())


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_any_batch_size_gives_nearly_the_same_logits(paths, images, network, kind, size):
    assert error(paths[kind], images[:size], network) < (1e-5 if kind == "float32" else 0.02)


def test_ranges_are_fixed_in_one_file_and_measured_in_the_other(paths, images, network):
    assert error(paths["int8"], 5 * images, network) > 0.2
    assert error(paths["dynamic"], 5 * images, network) < 0.02


@pytest.mark.parametrize("kind", ["int8", "dynamic"])
def test_all_weights_are_in_8_bits(paths, kind):
    weights = {name: array for name, array in constants(paths["float32"]).items() if array.ndim > 1}
    stored = {name: array for name, array in constants(paths[kind]).items() if array.ndim > 1}
    assert stored.keys() == {f"{name}_quantized" for name in weights}
    assert {array.dtype for array in stored.values()} == {np.dtype(np.int8)}
    assert paths[kind].stat().st_size < 0.6 * paths["float32"].stat().st_size


def test_every_filter_has_its_scale_and_the_zero_0(paths):
    stored = constants(paths["int8"])
    for name, weight in constants(paths["float32"]).items():
        if weight.ndim > 1:
            scale = np.abs(weight).reshape(len(weight), -1).max(1) / 127
            np.testing.assert_allclose(stored[f"{name}_scale"], scale, rtol=1e-5)
            assert not stored[f"{name}_zero_point"].any()
            exact = weight / scale.reshape(-1, *[1] * (weight.ndim - 1))
            np.testing.assert_allclose(stored[f"{name}_quantized"], exact, atol=0.501)


def test_activations_are_unsigned_and_span_all_calibration_images(graph, images, network):
    def grid(scale, zero):
        return graph.constants[scale], graph.constants[zero]

    first, stem = graph.steps[:2]
    assert (first.kind, stem.kind) == ("QuantizeLinear", "QLinearConv")
    scale, zero = grid(*first.inputs[1:3])
    assert zero.dtype == np.uint8
    assert scale == pytest.approx((images.max() - images.min()).item() / 255)
    assert zero == round(-images.min().item() / scale)
    scale, zero = grid(*stem.inputs[6:8])
    with torch.no_grad():
        assert zero == 0 and scale == pytest.approx(network[:3](images).max().item() / 255, rel=1e-4)


def test_no_layer_is_left_in_float32(graph):
    kinds = [step.kind for step in graph.steps]
    assert [kind for kind in kinds if kind.startswith("Q") and kind != "QuantizeLinear"] == [
        *["QLinearConv"] * 3,
        "QLinearAdd",
        "QGemm",
    ]
    assert not {"Conv", "Gemm", "MatMul", "Add", "Relu"} & set(kinds)
    assert graph.steps[1].options["strides"] == [2, 2]


@needs_exact_kernels
def test_results_are_those_of_the_layers(graph, found, images, network):
    assert found.keys() == {step.output for step in graph.steps}
    first, stem = graph.steps[:2]
    scale, zero = (graph.constants[name] for name in first.inputs[1:3])
    integers = np.clip(np.rint(images.numpy() / scale) + zero, 0, 255)
    np.testing.assert_array_equal(found[first.output], integers)
    (add,) = (step for step in graph.steps if step.kind == "QLinearAdd")
    for step, depth in ((stem, 3), (add, 4)):
        assert found[step.output].dtype == np.uint8
        with torch.no_grad():
            wanted = network[:depth](images).numpy()
        assert (
            np.abs(real(found[step.output], graph, *step.inputs[6:8]) - wanted).mean() < 0.02 * wanted.std()
        )


def test_sums_by_hand(graph, found):
    (add,) = (step for step in graph.steps if step.kind == "QLinearAdd")
    left, left_scale, left_zero, right, right_scale, right_zero, scale, zero = add.inputs
    total = real(found[left], graph, left_scale, left_zero) + real(
        found[right], graph, right_scale, right_zero
    )
    integers = np.clip(np.rint(total / graph.constants[scale]) + graph.constants[zero], 0, 255)
    assert np.abs(found[add.output] - integers).max() <= 1


def test_the_last_step_gives_the_logits_of_the_file(graph, found, images, paths):
    last = graph.steps[-1]
    logits = open_session(paths["int8"])(images)
    assert found[last.output].dtype == np.float32
    step = graph.constants[last.inputs[1]].item()
    np.testing.assert_allclose(found[last.output], logits, rtol=0, atol=1.01 * step)


def test_a_network_of_linear_layers_in_a_given_folder(tmp_path):
    model = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), 0).eval()
    images = torch.rand(8, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    paths = write_files(model, images, tmp_path / "new" / "folder")
    assert paths == {kind: tmp_path / "new" / "folder" / f"{kind}.onnx" for kind in KINDS}
    assert all(error(path, images[:1], model) < 0.02 for path in paths.values())


def test_an_empty_calibration_set(paths, tmp_path):
    with pytest.raises(ValueError, match="the calibration set is empty; give 1 image or more"):
        to_int8(paths["float32"], tmp_path / "int8.onnx", torch.rand(0, 1, 12, 12))


@pytest.mark.parametrize("kind", ["int8", "dynamic"])
@pytest.mark.parametrize("again", [lambda *paths: to_int8(*paths, torch.rand(2, 1, 12, 12)), to_dynamic])
def test_a_quantized_file_is_not_quantized_again(paths, kind, again, tmp_path):
    with pytest.raises(ValueError, match=rf"{kind}.onnx is quantized already .*; give the file in float32"):
        again(paths[kind], tmp_path / "again.onnx")
    assert not list(tmp_path.iterdir())


def test_calibration_images_have_to_be_finite(paths, tmp_path):
    images = torch.full((2, 1, 12, 12), torch.nan)
    with pytest.raises(ValueError, match="the calibration images hold NaN or inf"):
        to_int8(paths["float32"], tmp_path / "int8.onnx", images)


@pytest.mark.parametrize(
    "shape, sentence",
    [
        ((8, 3, 12, 12), r"are \[8, 3, 12, 12\] in torch.float32, and .* takes \['.+', 1, 12, 12\]"),
        ((8, 1, 12, 13), r"are \[8, 1, 12, 13\]"),
        ((8, 12, 12), r"are \[8, 12, 12\]"),
    ],
)
def test_calibration_images_of_a_wrong_shape_are_refused(paths, tmp_path, shape, sentence):
    with pytest.raises(ValueError, match=rf"^the calibration images {sentence}"):
        to_int8(paths["float32"], tmp_path / "int8.onnx", torch.rand(shape))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8])
def test_calibration_images_of_a_wrong_type_are_refused(paths, tmp_path, images, dtype):
    with pytest.raises(ValueError, match=rf"are \[40, 1, 12, 12\] in {dtype}, and .* as tensor\(float\)$"):
        to_int8(paths["float32"], tmp_path / "int8.onnx", images.to(dtype))
    assert not list(tmp_path.iterdir())


def test_files_of_others_for_one_batch_size_or_with_two_inputs_are_refused(paths, tmp_path, images):
    fixed, twofold = onnx.load(paths["float32"]), onnx.load(paths["float32"])
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    onnx.save(fixed, tmp_path / "fixed.onnx")
    with pytest.raises(ValueError, match=r"fixed.onnx takes 8 images at a time; export it for any number"):
        to_int8(tmp_path / "fixed.onnx", tmp_path / "int8.onnx", images)
    twofold.graph.input.append(onnx.helper.make_tensor_value_info("more", 1, [1]))
    onnx.save(twofold, tmp_path / "two.onnx")
    with pytest.raises(ValueError, match=r"two.onnx takes 2 inputs; networks with one are supported"):
        to_int8(tmp_path / "two.onnx", tmp_path / "int8.onnx", images)


class Excited(nn.Module):
    """Squeeze and excitation: channels are scaled by what all positions say."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid())

    def forward(self, x):
        return x * self.squeeze(x.mean((2, 3)))[:, :, None, None]


class Words(nn.Module):
    def forward(self, x):
        return x.flatten(2).transpose(1, 2)


def small(*middle):
    ends = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)]
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), *middle, *ends)


def tied():
    network = small(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))
    network[4].weight = network[2].weight
    return network


def transformer():
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0, batch_first=True)
    return nn.Sequential(nn.Conv2d(3, 16, 4, 4), Words(), layer, nn.Flatten(), nn.Linear(64, 5))


def encoder():
    """Two layers with equal weights, as torch makes them."""
    network = transformer()
    network[2] = nn.TransformerEncoder(network[2], 2, enable_nested_tensor=False)
    return network


def pruned():
    network = small()
    prune.l1_unstructured(network[0], "weight", amount=0.5)
    return network


NETWORKS = {
    "tied weights": tied,
    "a transposed convolution": lambda: small(nn.ConvTranspose2d(16, 16, 3, 2, 1, 1), nn.ReLU()),
    "squeeze and excitation": lambda: small(Excited()),
    "a transformer layer": transformer,
    "depthwise": lambda: small(nn.Conv2d(16, 16, 3, padding="same", groups=16)),
    "pruned by torch": pruned,
    "two equal layers": encoder,
}


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_networks_of_other_kinds(build, tmp_path):
    model = seeded(build, 0).eval()
    images = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.3
    files = write_files(model, images, tmp_path)
    assert error(files["float32"], images[:7], model) < 1e-5
    assert error(files["int8"], images[:7], model) < 0.05
    assert error(files["dynamic"], images[:7], model) < 0.05


CANNOT = r"^ONNX Runtime cannot quantize .*float32.onnx \(.*\); nothing was written; leave this network in f"


@pytest.mark.parametrize(
    "middle", [lambda: nn.ConvTranspose2d(16, 16, 3, groups=4), lambda: nn.LayerNorm([16, 8, 8])]
)
def test_what_the_quantizer_does_not_know_is_refused_in_one_sentence(middle, tmp_path):
    images = torch.rand(8, 3, 8, 8)
    export(seeded(lambda: small(middle()), 0).eval(), images[:2], tmp_path / "float32.onnx")
    with pytest.raises(ValueError, match=CANNOT):
        to_int8(tmp_path / "float32.onnx", tmp_path / "int8.onnx", images)
    assert [path.name for path in tmp_path.iterdir()] == ["float32.onnx"]


def test_half_precision_has_no_dynamic_file(tmp_path):
    images = torch.rand(8, 3, 8, 8).half()
    export(small().half().eval(), images[:2], tmp_path / "float32.onnx")
    with pytest.raises(ValueError, match=CANNOT):
        to_dynamic(tmp_path / "float32.onnx", tmp_path / "dynamic.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["float32.onnx"]
