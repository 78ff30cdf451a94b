"""The quantizers of chapter 4 against ONNX Runtime, torch, torchao, scikit-learn and closed forms."""

import ast
import copy
import heapq
import itertools
import math
import warnings
from dataclasses import make_dataclass, replace
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
import torchao.quantization
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchao.quantization.quant_primitives import MappingType, choose_qparams_affine, quantize_affine

from tests.chapter_source import Chapter, settled_network
from tests.integer_kernels import needs_exact_kernels
from utils.files import deployment, int8_files
from utils.measuring.activations import layer_inputs, patches
from utils.measuring.computed import check_own_weights
from utils.models import seeded

draws = torch.Generator().manual_seed(0)
IMAGES = torch.rand(16, 1, 12, 12, generator=draws)
MODULES = {
    "copy": copy,
    "heapq": heapq,
    "math": math,
    "make_dataclass": make_dataclass,
    "np": np,
    "replace": replace,
    "torch": torch,
}
MODULES |= {"F": F, "nn": nn, "parametrize": parametrize, "prune": prune, "layer_inputs": layer_inputs}
MODULES |= {"patches": patches, "check_own_weights": check_own_weights}
CHAPTER = Chapter("04_quantization", **MODULES, sample=IMAGES)
MAPS = CHAPTER.run(
    "Grid", "quantize", "dequantize", "rounded", "make_grid", "rows", "weight_grid", "rounded_weight"
)
Grid, quantize, rounded, make_grid = (MAPS[name] for name in ("Grid", "quantize", "rounded", "make_grid"))


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(width=4):
    return settled_network(draws, width)


def runtime(x, grid):
    """QuantizeLinear by ONNX Runtime."""
    kind = np.int8 if grid.low < 0 else np.uint8
    constants = [grid.scale.flatten().numpy(), grid.zero.flatten().numpy().astype(kind)]
    constants = [
        onnx.numpy_helper.from_array(c if len(c) > 1 else c[0], n)
        for c, n in zip(constants, "sz", strict=True)
    ]
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], axis=0)
    kinds = onnx.TensorProto.FLOAT, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    ends = [onnx.helper.make_tensor_value_info(n, k, x.shape) for n, k in zip("xy", kinds, strict=True)]
    graph = onnx.helper.make_graph([node], "one", ends[:1], ends[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x.numpy()})[0]


class TestTheAffineMap:
    @pytest.mark.parametrize("symmetric", [True, False])
    def test_bit_for_bit_as_onnx_runtime(self, symmetric):
        x = numbers(64, 40)
        grid = make_grid(x.min() * 0.7, x.max() * 0.7, 8, symmetric)  # some values saturate
        x[0] = (torch.arange(-20, 20) + 0.5) * grid.scale  # ties go to the even neighbour
        theirs = runtime(x, grid).clip(min=grid.low)  # a symmetric grid leaves out -128
        assert np.array_equal(theirs, quantize(x, grid).numpy())

    def test_bit_for_bit_as_onnx_runtime_in_each_channel(self):
        weight = numbers(6, 40)
        grid = MAPS["weight_grid"](weight, 8)
        assert np.array_equal(runtime(weight, grid), quantize(weight, grid).numpy())

    @pytest.mark.parametrize("bits", range(2, 17))
    def test_as_torchs_fake_quantization(self, bits):
        x = numbers(1000)
        grid = Grid(torch.tensor(0.25), torch.tensor(1.0), 0, 2**bits - 1)  # torch multiplies by 1 / scale
        theirs = torch.fake_quantize_per_tensor_affine(x, 0.25, 1, 0, 2**bits - 1)
        assert torch.equal(rounded(x, grid), theirs)

    def test_as_torchs_fake_quantization_of_channels(self):
        x, scale = numbers(3, 50), torch.tensor([0.25, 0.5, 1.0])
        grid = Grid(scale[:, None], torch.zeros(3, 1), -7, 7)
        theirs = torch.fake_quantize_per_channel_affine(x, scale, torch.zeros(3, dtype=torch.int32), 0, -7, 7)
        assert torch.equal(rounded(x, grid), theirs)

    @pytest.mark.parametrize("bits", [4, 8])
    def test_the_grid_is_torchaos(self, bits):
        x = numbers(5, 32)
        ends = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
        grid = make_grid(*ends, bits)
        scale, zero = choose_qparams_affine(
            x, MappingType.ASYMMETRIC, (1, 32), torch.uint8, 0, 2**bits - 1, eps=0.0
        )
        assert torch.equal(scale.view(-1, 1), grid.scale)
        assert torch.equal(zero.view(-1, 1).float(), grid.zero)
        theirs = quantize_affine(x, (1, 32), scale, zero, torch.uint8, 0, 2**bits - 1)
        near = ((x / grid.scale) % 1 - 0.5).abs() < 1e-4  # a tie, where theirs multiplies and ours divides
        assert torch.equal(theirs[~near].float(), quantize(x, grid)[~near])

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=20, unique=True),
        st.integers(2, 16),
        st.booleans(),
    )
    def test_properties(self, values, bits, symmetric):
        x = torch.tensor(values)
        if x.max() - x.min() < 1e-3:
            return
        grid = make_grid(x.min(), x.max(), bits, symmetric)
        q, back = quantize(x, grid), rounded(x, grid)
        assert ((q >= grid.low) & (q <= grid.high) & (q == q.round())).all()
        assert (
            (back - x).abs() <= 1.001 * grid.scale
        ).all()  # the zero is rounded, so an end may lie outside
        torch.testing.assert_close(rounded(back, grid), back)
        assert rounded(torch.zeros(1), grid) == 0
        assert (q[x.argsort()].diff() >= 0).all()
        far = torch.tensor([-1e6, 1e6])
        assert quantize(far, grid).tolist() == [grid.low, grid.high]  # saturates

    @pytest.mark.parametrize("bits", [1, 0, -4, 17, 2.5])
    def test_other_bits_are_refused(self, bits):
        with pytest.raises(ValueError, match="takes 2...16"):
            make_grid(torch.tensor(0.0), torch.tensor(1.0), bits)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_numbers_that_are_none_are_refused(self, bad):
        with pytest.raises(ValueError, match="NaN or inf"):
            make_grid(torch.tensor(0.0), torch.tensor(bad), 8)
        with pytest.raises(ValueError, match="NaN or inf"):
            quantize(torch.tensor([0.0, bad]), make_grid(torch.tensor(0.0), torch.tensor(1.0), 8))

    def test_a_constant_is_refused(self):
        with pytest.raises(ValueError, match="constant"):
            MAPS["rounded_weight"](torch.zeros(2, 3), 8)

    def test_scales_are_shared_as_they_say(self):
        weight = numbers(4, 64)
        assert MAPS["weight_grid"](weight, 8, "tensor").scale.shape == (1, 1)
        assert MAPS["weight_grid"](weight, 8, "channel").scale.shape == (4, 1)
        assert MAPS["weight_grid"](weight, 8, "group").scale.shape == (8, 1)
        wanted = weight[3, 32:].abs().max() / 127
        assert MAPS["weight_grid"](weight, 8, "group").scale[-1] == wanted


class TestRanges:
    FOUND = CHAPTER.run(
        "Grid", "quantize", "dequantize", "rounded", "make_grid", "least_error", "least_divergence"
    )

    def test_the_least_error_of_a_normal_distribution(self):
        x = numbers(200_000)
        most = self.FOUND["least_error"](x, 4)[1]
        assert most.item() == pytest.approx(2.68, abs=0.15)  # Max (1960), table 2, 16 levels

    def test_no_other_share_is_better(self):
        x = numbers(3000).abs()

        def error(end):
            return (x - rounded(x, make_grid(x.min() * end / x.max(), end, 3))).square().sum()

        best = self.FOUND["least_error"](x, 3)[1]
        assert error(best) <= min(error(x.max() * i / 60) for i in range(1, 61)) * (1 + 1e-6)

    def test_divergence_clips_a_single_outlier_and_nothing_even(self):
        x = numbers(50_000).abs()
        x[0] = 40
        assert self.FOUND["least_divergence"](x, 8)[1] < 10
        even = torch.linspace(0, 1, 50_001)
        assert self.FOUND["least_divergence"](even, 4)[1] > 0.95

    def test_divergence_keeps_the_sign(self):
        low, high = self.FOUND["least_divergence"](numbers(5000), 8)
        assert low == -high


class TestAfterTraining:
    NAMES = ("layers", "Grid", "quantize", "dequantize", "rounded", "make_grid", "rows", "weight_grid")
    NAMES += ("rounded_weight", "folded", "quantized", "calibrate", "gptq", "by_gptq", "corrected")
    NAMES += ("clipped_weight",)
    FOUND = CHAPTER.run(*NAMES)

    def test_folding_is_torchs(self):
        built = network()
        plain = self.FOUND["folded"](built)
        theirs = fuse_conv_bn_eval(copy.deepcopy(built.stem[0]), built.stem[1])
        torch.testing.assert_close(plain.stem[0].weight, theirs.weight)
        torch.testing.assert_close(plain.stem[0].bias, theirs.bias)
        torch.testing.assert_close(plain(IMAGES), built(IMAGES), rtol=1e-4, atol=1e-4)
        assert not [m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)]

    def test_layers_see_rounded_inputs_and_weights(self):
        plain = self.FOUND["folded"](network())
        bits = dict.fromkeys(self.FOUND["layers"](plain), 4)
        grids = self.FOUND["calibrate"](plain, bits, lambda x, bits: (x.min(), x.max()), IMAGES)
        result = self.FOUND["quantized"](plain, bits, grids=grids)
        inside = {}
        result.stage2.conv1.register_forward_pre_hook(lambda _, x: inside.update(x=x[0]))
        result(IMAGES)
        assert len(inside["x"].unique()) <= 16
        assert max(len(row.unique()) for row in result.stage2.conv1.weight) <= 15
        assert len(plain.stage2.conv1.weight.unique()) > 100  # the original stays

    def test_no_images_are_refused(self):
        with pytest.raises(ValueError, match="calibration set is empty"):
            self.FOUND["calibrate"](network(), {}, None, IMAGES[:0])

    def test_gptq_is_optimal_brain_quantization_in_a_fixed_order(self):
        layer = seeded(lambda: nn.Linear(6, 3), 0)
        x = numbers(40, 6, seed=1) @ numbers(6, 6, seed=2)
        grid = self.FOUND["weight_grid"](layer.weight, 3)
        hessian = 2 * (x.T @ x).double()
        hessian += 0.01 * hessian.diagonal().mean() * torch.eye(6)
        wanted, inverse = layer.weight.detach().double(), torch.linalg.inv(hessian)
        for q in range(6):  # equations 2 and 3 of the paper, without its Cholesky factor
            column = rounded(wanted[:, q : q + 1], grid)
            wanted -= (wanted[:, q : q + 1] - column) / inverse[q, q] * inverse[q]
            wanted[:, q : q + 1] = column
            inverse = inverse - torch.outer(inverse[:, q], inverse[q]) / inverse[q, q]
        torch.testing.assert_close(self.FOUND["gptq"](layer, 3, x).double(), wanted, rtol=1e-5, atol=1e-5)

    LAYERS = [lambda: nn.Conv2d(3, 4, 3, 2, padding=1), lambda: nn.Conv2d(8, 4, 1), lambda: nn.Linear(30, 8)]

    @pytest.mark.parametrize("build", LAYERS)
    def test_gptq_stays_on_the_grid_and_errs_less(self, build):
        layer = seeded(build, 0)
        few = layer.weight.shape[1]
        x = numbers(200, few, seed=1) @ numbers(few, few, seed=2)
        if isinstance(layer, nn.Conv2d):
            x = x.T.reshape(1, few, 10, 20).repeat(2, 1, 1, 1)
        found, nearest = self.FOUND["gptq"](layer, 3, x), self.FOUND["rounded_weight"](layer.weight, 3)
        grid = self.FOUND["weight_grid"](layer.weight, 3)
        torch.testing.assert_close(rounded(found.flatten(1), grid).view_as(found), found)
        wanted, error = layer(x), []
        for weight in (found, nearest):
            rough = copy.deepcopy(layer)
            rough.weight.data = weight
            error.append((rough(x) - wanted).square().sum())
        assert error[0] < 0.8 * error[1]

    def test_gptq_sees_a_convolution_as_a_linear_layer_on_patches(self):
        layer, linear, x = seeded(self.LAYERS[0], 0), nn.Linear(27, 4), numbers(4, 3, 6, 6)
        linear.weight.data = layer.weight.detach().flatten(1)
        padded = F.pad(x, (1, 1, 1, 1))
        places = itertools.product(range(0, 6, 2), repeat=2)
        rows = torch.cat([padded[:, :, i : i + 3, j : j + 3].flatten(1) for i, j in places])
        found, wanted = self.FOUND["gptq"](layer, 3, x), self.FOUND["gptq"](linear, 3, rows)
        torch.testing.assert_close(found.flatten(1), wanted)

    def test_every_layer_is_rounded_with_what_it_sees(self):
        plain = self.FOUND["folded"](network())
        bits = dict.fromkeys(self.FOUND["layers"](plain), 3)
        found = self.FOUND["by_gptq"](plain, bits)
        layer, x = plain.stage2.conv1, layer_inputs(plain, IMAGES)["stage2.conv1"]
        assert torch.equal(found.stage2.conv1.weight, self.FOUND["gptq"](layer, 3, x))
        for layer in self.FOUND["layers"](found).values():
            assert max(len(row.unique()) for row in layer.weight) <= 7

    @pytest.mark.parametrize("bits", [2, 3, 8])
    def test_clipped_weights_have_the_least_error_of_all_scales(self, bits):
        weight = numbers(5, 7, 3, 3)
        found = self.FOUND["clipped_weight"](weight, bits)
        for row, ours in zip(weight.flatten(1).numpy(), found.flatten(1).numpy(), strict=True):
            most, largest = 2 ** (bits - 1) - 1, np.abs(row).max()
            scales = largest / most * np.arange(10, 41)[:, None] / 40
            errors = np.square(np.clip(np.rint(row / scales), -most, most) * scales - row).sum(1)
            assert np.square(ours - row).sum() == pytest.approx(errors.min(), rel=1e-4)

    def test_corrected_outputs_have_the_right_mean(self):
        plain = self.FOUND["folded"](network())
        rough = self.FOUND["quantized"](plain, dict.fromkeys(self.FOUND["layers"](plain), 2))
        fixed = self.FOUND["corrected"](rough, plain, IMAGES)
        ours, wanted = (layer_inputs(net, IMAGES) for net in (fixed, plain))
        means = [
            net.stage3.conv2(x["stage3.conv2"]).mean((0, 2, 3)) for net, x in ((fixed, ours), (plain, wanted))
        ]
        torch.testing.assert_close(*means, rtol=1e-3, atol=1e-3)


class TestMixedBits:
    def plan(self, change, budget):
        plain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 8))
        known = {"LEVELS": (8, 4, 2), "change": change, "plain": plain, "ENDS": ()}
        found = Chapter("04_quantization", **MODULES, **known, network=plain)
        return found.run("layers", "everywhere", "weight_bytes", "mixed")["mixed"](budget)

    CHANGE = {("0", 8): 0, ("0", 4): 0.1, ("0", 2): 5.0, ("1", 8): 0, ("1", 4): 0.1, ("1", 2): 0.3}

    def test_a_large_budget_changes_nothing(self):
        assert self.plan(self.CHANGE, 48) == {"0": 8, "1": 8}

    def test_the_cheapest_change_goes_first(self):  # by hand: 0.1 / 16 bytes is less than 0.1 / 8
        assert self.plan(self.CHANGE, 47) == {"0": 8, "1": 4}
        assert self.plan(self.CHANGE, 24) == {"0": 4, "1": 4}

    def test_a_budget_too_small_is_refused(self):
        with pytest.raises(ValueError, match="2 bits take 12"):
            self.plan(self.CHANGE, 11)


class TestDuringTraining:
    FOUND = CHAPTER.run("through", "LSQ", "Binary", "Ternary")

    @pytest.mark.parametrize("bits", [2, 3, 4, 8])
    @pytest.mark.parametrize("signed", [True, False])
    def test_lsq_is_torchs_learnable_fake_quantization(self, bits, signed):
        x = numbers(400) if signed else numbers(400).abs()
        ours = self.FOUND["LSQ"](x, bits, 400)
        assert ours.step.item() == pytest.approx(2 * x.abs().mean().item() / math.sqrt(ours.most))
        s, low, high = ours.step.detach(), ours.least, ours.most
        x = x[((x / s) < high) | ((x / s) > high + 0.5)]  # between the two torch takes the other gradient
        x = x[((x / s) > low) | ((x / s) < low - 0.5)].requires_grad_()
        y, upstream = ours(x), numbers(len(x), seed=1)
        y.backward(upstream)
        theirs = x.detach().clone().requires_grad_()
        scale, zero = s.clone().view(1).requires_grad_(), torch.zeros(1)
        z = torch._fake_quantize_learnable_per_tensor_affine(theirs, scale, zero, low, high, ours.factor)
        z.backward(upstream)
        torch.testing.assert_close(y, z)
        torch.testing.assert_close(x.grad, theirs.grad)
        torch.testing.assert_close(ours.step.grad, scale.grad[0], rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("bits", [1, 17])
    def test_lsq_refuses_other_bits(self, bits):
        with pytest.raises(ValueError, match="LSQ takes 2...16"):
            self.FOUND["LSQ"](numbers(4), bits, 4)

    @pytest.mark.parametrize("x", [torch.zeros(3), torch.tensor([1.0, math.nan])])
    def test_lsq_refuses_numbers_without_a_step(self, x):
        with pytest.raises(ValueError, match="no first step size"):
            self.FOUND["LSQ"](x, 8, 3)

    def test_binary_weights_are_the_best_of_their_kind(self):
        weight = numbers(3, 2, 2, 2)
        found = self.FOUND["Binary"]()(weight)
        assert all(len(row.unique()) == 2 for row in found.flatten(1))
        for ours, row in zip(found.flatten(1), weight.flatten(1), strict=True):
            signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=8)))
            sizes = (signs @ row / 8)[:, None]  # the best size for given signs
            assert (row - ours).square().sum() <= (row - sizes * signs).square().sum(1).min() + 1e-5

    def test_ternary_weights_by_hand(self):
        weight = torch.tensor([[2.0, -1.0, 0.1, -0.1]])  # the mean of |w| is 0.8, the limit 0.56
        assert self.FOUND["Ternary"]()(weight).tolist() == [[1.5, -1.5, 0.0, 0.0]]

    def test_only_the_estimator_lets_gradients_through(self):
        x = numbers(5).requires_grad_()
        (dead,) = torch.autograd.grad(x.round().sum(), x)
        (alive,) = torch.autograd.grad(self.FOUND["through"](x, x.round()).sum(), x)
        assert dead.tolist() == [0] * 5
        assert alive.tolist() == [1] * 5


class TestCodebooks:
    FOUND = CHAPTER.run("kmeans", "Codebook", "huffman")

    @pytest.mark.parametrize("count", [1, 3, 8])
    def test_kmeans_is_scikit_learns(self, count):
        values = numbers(300)
        centres, nearest = self.FOUND["kmeans"](values, count)
        first = np.linspace(values.min().item(), values.max().item(), count)[:, None]
        theirs = KMeans(count, init=first, n_init=1, tol=0, algorithm="lloyd").fit(values[:, None].numpy())
        np.testing.assert_allclose(centres, np.sort(theirs.cluster_centers_.ravel()), atol=1e-5)
        assert (values - centres[nearest]).square().sum().item() == pytest.approx(theirs.inertia_, rel=1e-4)

    @pytest.mark.parametrize("count", [0, 4])
    def test_kmeans_refuses_other_counts(self, count):
        with pytest.raises(ValueError, match=f"{count} centres for 3 values"):
            self.FOUND["kmeans"](torch.tensor([1.0, 2, 3]), count)

    def test_a_codebook_keeps_zeros_and_sums_gradients(self):
        weight = numbers(4, 5) * (numbers(4, 5, seed=1) > 0)
        book, upstream = self.FOUND["Codebook"](weight, 2), numbers(4, 5, seed=2)
        assert torch.equal(book() == 0, weight == 0)
        book().backward(upstream)
        wanted = [upstream[book.index == i].sum() for i in (1, 2)]
        torch.testing.assert_close(book.values.grad, torch.stack(wanted))

    @pytest.mark.parametrize("counts", [[1], [1, 1], [5, 1, 1], [8, 4, 2, 1, 1], [3, 3, 2, 2], [1] * 5])
    def test_no_prefix_code_is_shorter(self, counts):
        lengths = self.FOUND["huffman"](dict(enumerate(counts)))
        ours = sum(n * lengths[i] for i, n in enumerate(counts))
        every = itertools.product(range(1, 6), repeat=len(counts))
        legal = (words for words in every if sum(Fraction(1, 2**n) for n in words) <= 1)
        assert ours == min(sum(n * word for n, word in zip(counts, words, strict=True)) for words in legal)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    deployment.export(network(), IMAGES[:2], folder / "float32.onnx")
    int8_files.to_int8(folder / "float32.onnx", folder / "int8.onnx", IMAGES)
    return folder / "int8.onnx"


class TestIntegers:
    NAMES = ("Grid", "quantize", "requantize", "convolution", "linear", "addition", "mean", "to_integers")
    FOUND = CHAPTER.run(*NAMES, "in_integers")

    @settings(max_examples=50, deadline=None)
    @given(st.integers(-(2**24), 2**24), st.floats(1e-7, 0.9), st.integers(0, 255))
    def test_requantization_is_exact_rounding(self, total, ratio, zero):
        found = self.FOUND["requantize"](torch.tensor([[total]], dtype=torch.int32), np.float32(ratio), zero)
        exact = Fraction(float(np.float32(ratio))) * total
        wanted = min(max(math.floor(exact + Fraction(1, 2)) + zero, 0), 255)
        distance = abs(exact - math.floor(exact) - Fraction(1, 2))
        assert found.item() == wanted or distance < Fraction(1, 10**6) * (1 + abs(exact))

    @needs_exact_kernels
    def test_every_layer_is_within_a_step_of_onnx_runtimes(self, path):
        graph = int8_files.integer_graph(path)
        names = Chapter("04_quantization", **MODULES).run(*self.NAMES, *self.tables(), "in_integers")
        steps = names["in_integers"](graph, IMAGES, int8_files.results(graph, IMAGES))
        assert len(steps) == sum(step.kind not in ("DequantizeLinear", "ReduceMean") for step in graph.steps)
        assert max(steps) <= 1
        whole = names["in_integers"](graph, IMAGES)
        assert whole.dtype == torch.int32
        assert torch.equal(whole.argmax(1), deployment.open_session(path)(IMAGES).argmax(1))

    @staticmethod
    def tables():
        """The statements that fill LAYERS, one after the other."""
        return [
            node
            for source in CHAPTER.sources
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign | ast.AugAssign) and ast.unparse(node).startswith("LAYERS")
        ]


class TestOldRecipes:
    def test_torchs_own_quantization_still_says_that_it_is_deprecated(self):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)), {nn.Linear})
        assert [w for w in found if w.category is DeprecationWarning and "torchao" in str(w.message)]

    def test_there_is_no_q_config(self):
        assert not hasattr(torch.ao.quantization, "q_config")
        assert not hasattr(nn.Linear(1, 1), "q_config")

    def test_the_steps_for_exported_graphs_have_moved_to_torchao(self):
        assert not hasattr(torch.ao.quantization, "quantize_pt2e")
        reason = "Colab's torchao 0.10 is older than the move; the chapter names it, and no cell calls it"
        quantize_pt2e = pytest.importorskip("torchao.quantization.pt2e.quantize_pt2e", reason=reason)
        assert callable(quantize_pt2e.prepare_pt2e)

    def test_torchao_quantizes_linear_layers_and_no_convolutions(self):
        built = network(width=8)  # torchao 0.10 leaves layers of 16 inputs or fewer as they are
        torchao.quantization.quantize_(built, torchao.quantization.Int8DynamicActivationInt8WeightConfig())
        assert type(built.head.weight).__name__ in ("Int8Tensor", "LinearActivationQuantizedTensor")
        assert type(built.stem[0].weight) is nn.Parameter


class TestGptqOfOtherLayers:
    FOUND = TestAfterTraining.FOUND

    @pytest.mark.parametrize("options", [{"padding": "same"}, {"padding": 2, "dilation": 2}])
    def test_it_is_that_of_a_linear_layer_on_patches(self, options):
        layer, x = seeded(lambda: nn.Conv2d(3, 4, 3, **options), 0), numbers(4, 3, 6, 6)
        linear, ways = nn.Linear(27, 4), 2 * options.get("dilation", 1)
        linear.weight.data = layer.weight.detach().flatten(1)
        padded, step = F.pad(x, [ways // 2] * 4), ways // 2
        places = itertools.product(range(6), repeat=2)
        rows = [padded[:, :, i : i + ways + 1 : step, j : j + ways + 1 : step] for i, j in places]
        wanted = self.FOUND["gptq"](linear, 3, torch.cat([row.flatten(1) for row in rows]))
        torch.testing.assert_close(self.FOUND["gptq"](layer, 3, x).flatten(1), wanted)

    def test_groups_and_tied_weights_are_refused(self):
        depthwise = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4)).eval()
        with pytest.raises(ValueError, match="'0' has 4 groups, which are not supported here"):
            self.FOUND["by_gptq"](depthwise, {"0": 3})
        tied = nn.Sequential(nn.Flatten(), nn.Linear(144, 144), nn.Linear(144, 144)).eval()
        tied[2].weight = tied[1].weight
        with pytest.raises(ValueError, match="'1' and '2' share a weight"):
            self.FOUND["by_gptq"](tied, {"1": 3, "2": 3})
