"""The masks of chapter 3 against torch's, its removal of filters against torch-pruning, and its bad input."""

import ast
import copy
import math
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import torch_pruning
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tests.chapter_source import Chapter, settled_network
from utils.evidence.recording import Stored, interval
from utils.measuring import cost
from utils.measuring.activations import layer_inputs, pooled_inputs, squared_inputs
from utils.measuring.computed import check_own_weights
from utils.measuring.evaluation import reestimate_batch_norm
from utils.models import LeNet300100, ResNet, seeded
from utils.training.recipe import RECIPE

draws = torch.Generator().manual_seed(0)
THOUSAND = SimpleNamespace(
    images=torch.rand(40, 1, 28, 28, generator=draws), labels=torch.randint(5, (40,), generator=draws)
)
CHAPTER = Chapter(
    "03_pruning",
    **{"F": F, "copy": copy, "dataclass": dataclass, "nn": nn, "np": np, "pd": pd, "torch": torch},
    **{"partial": partial, "replace": replace, "cost": cost, "RECIPE": RECIPE},
    **{"layer_inputs": layer_inputs, "pooled_inputs": pooled_inputs, "thousand": THOUSAND, "ResNet": ResNet},
    **{"squared_inputs": squared_inputs, "check_own_weights": check_own_weights},
    data=SimpleNamespace(num_classes=5),
)
WEIGHTS = CHAPTER.run("weights", "magnitude", "taylor", "wanda", "keep_largest", "choose")
FILTERS = ("weights", "keep_largest", "Coupling", "residual_blocks", "couplings", "zeroed", "removed")
MERGING = (*FILTERS, "maps_of", "likeness", "read_instead", "redundancy")
SHARES = ("weights", "magnitude", "keep_largest", "largest_share", "guided")


def network(width=4):
    return settled_network(draws, width)


def layers(built):
    return {name: built.get_submodule(name) for name in WEIGHTS["weights"](built)}


def librarys(built, pruned):
    """The masks that `torch.nn.utils.prune` has left on `pruned`."""
    return {name: pruned.get_submodule(name).weight_mask.bool() for name in WEIGHTS["weights"](built)}


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("build", [network, lambda: seeded(LeNet300100, 0)], ids=["residual", "lenet"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.55, 0.9, 1.0])
class TestMasksEqualTorchs:
    def test_magnitude_in_each_layer(self, build, sparsity):
        ours, theirs = build(), build()
        for layer in layers(theirs).values():
            prune.l1_unstructured(layer, "weight", sparsity)
        masks = WEIGHTS["choose"](WEIGHTS["magnitude"](ours), sparsity, "layer")
        assert same(masks, librarys(ours, theirs))

    def test_magnitude_in_the_network(self, build, sparsity):
        ours, theirs = build(), build()
        chosen = [(layer, "weight") for layer in layers(theirs).values()]
        prune.global_unstructured(chosen, prune.L1Unstructured, amount=sparsity)
        assert same(
            WEIGHTS["choose"](WEIGHTS["magnitude"](ours), sparsity, "network"), librarys(ours, theirs)
        )

    @pytest.mark.parametrize("criterion", ["taylor", "wanda"])
    def test_any_score_in_the_network(self, build, sparsity, criterion):
        ours, theirs = build().eval(), build()
        scores = WEIGHTS[criterion](ours)
        chosen = [(layer, "weight") for layer in layers(theirs).values()]
        given_scores = {(layer, "weight"): scores[name] for name, layer in layers(theirs).items()}
        prune.global_unstructured(
            chosen, prune.L1Unstructured, importance_scores=given_scores, amount=sparsity
        )
        assert same(WEIGHTS["choose"](scores, sparsity, "network"), librarys(ours, theirs))

    def test_random(self, build, sparsity):
        ours, theirs = build(), build()
        torch.manual_seed(1)
        for layer in layers(theirs).values():
            prune.random_unstructured(layer, "weight", sparsity)
        torch.manual_seed(1)
        scores = {name: -torch.rand_like(w) for name, w in WEIGHTS["weights"](ours).items()}
        assert same(WEIGHTS["choose"](scores, sparsity, "layer"), librarys(ours, theirs))


@pytest.mark.parametrize("sparsity", [0.25, 0.5])
def test_l1_norm_of_filters_equals_torchs(sparsity):
    ours, theirs = network(8), network(8)
    names = CHAPTER.run(*FILTERS, "l1_norm")
    group = names["couplings"](ours)[0]  # inside a block, where one layer makes the filters
    prune.ln_structured(theirs.stage1.conv1, "weight", sparsity, n=1, dim=0)
    kept = names["keep_largest"](names["l1_norm"](ours, group, None), sparsity)
    assert torch.equal(kept, theirs.stage1.conv1.weight_mask.flatten(1).bool().all(1))


def test_scores_by_hand():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 5)).eval()
    scores = WEIGHTS["wanda"](model)["1"]
    norms = THOUSAND.images.flatten(1).norm(dim=0)
    torch.testing.assert_close(scores, model[1].weight.detach().abs() * norms)
    loss = F.cross_entropy(model(THOUSAND.images), THOUSAND.labels)
    gradient = torch.autograd.grad(loss, model[1].weight)[0]
    torch.testing.assert_close(WEIGHTS["taylor"](model)["1"], (gradient * model[1].weight).abs().detach())


def test_wanda_counts_an_input_for_every_patch_it_is_in():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1)).eval()
    patches = F.unfold(THOUSAND.images, 3, padding=1, stride=2)  # [N, 9, positions]
    norms = patches.square().sum((0, 2)).sqrt().view(1, 1, 3, 3)
    torch.testing.assert_close(WEIGHTS["wanda"](model)["0"], model[0].weight.detach().abs() * norms)


@pytest.mark.parametrize("size", range(1, 12))
def test_the_share_that_goes_has_the_smallest_scores(size):
    for sparsity in np.linspace(0, 1, 41):
        scores = torch.rand(size, generator=draws)
        mask = WEIGHTS["keep_largest"](scores, sparsity)
        assert (~mask).sum() == round(sparsity * size)
        assert mask.all() or not mask.any() or scores[mask].min() >= scores[~mask].max()


@pytest.mark.parametrize("sparsity", [-0.1, 1.01, math.nan])
def test_a_sparsity_that_is_no_share(sparsity):
    with pytest.raises(ValueError, match=rf"sparsity is {sparsity}.*0\.\.\.1"):
        WEIGHTS["keep_largest"](torch.rand(3), sparsity)


def some_filters(couplings, built):
    counts = [len(built.get_submodule(group.makers[0]).weight) for group in couplings]
    return [torch.rand(count, generator=draws) > 0.4 for count in counts]


def removal_is_right(names):
    """Whether removal equals zeroing, in double precision."""
    built = network(8).double()
    kept = some_filters(names["couplings"](built), built)
    images = THOUSAND.images[:4].double()
    expected = names["zeroed"](built, kept)(images)
    smaller = names["removed"](built, kept)
    found = smaller(images)
    sizes = [module.weight.shape for module in smaller.modules() if isinstance(module, nn.BatchNorm2d)]
    return torch.allclose(found, expected, atol=1e-10) and sum(s.numel() for s in sizes) < 8 * 18


def test_removal_equals_zeroing():
    assert removal_is_right(CHAPTER.run(*FILTERS))


def broken(tree):
    """Copies of `couplings`, each with one name left out of one list, or one `append` left out."""

    def places(copied):
        lists = [part for part in ast.walk(copied) if isinstance(part, ast.List) and part.elts]
        calls = [
            part for part in ast.walk(copied) if isinstance(part, ast.Expr) and "append" in ast.unparse(part)
        ]
        return [part for part in lists + calls if "found" not in ast.unparse(part)]

    for position in range(len(places(tree))):
        mutant = copy.deepcopy(tree)
        place = places(mutant)[position]
        if isinstance(place, ast.List):
            place.elts.pop()
        else:
            place.value = ast.Constant(None)
        yield ast.fix_missing_locations(mutant)


def test_removal_with_one_rule_of_coupling_broken_does_not():
    mutants = list(broken(CHAPTER.statement("couplings")))
    assert len(mutants) >= 10
    for mutant in mutants:
        try:
            right = removal_is_right(
                CHAPTER.run(*(mutant if name == "couplings" else name for name in FILTERS))
            )
        except (RuntimeError, IndexError, AttributeError, ValueError):
            right = False  # shapes that do not fit are caught as well
        assert not right, ast.unparse(mutant)


def test_removal_equals_torch_prunings():
    names = CHAPTER.run(*FILTERS)
    built = network(8)
    couplings = names["couplings"](built)
    kept = some_filters(couplings, built)
    theirs = copy.deepcopy(built)
    graph = torch_pruning.DependencyGraph().build_dependency(theirs, THOUSAND.images[:2])
    for group, keep in zip(couplings, kept, strict=True):
        maker = theirs.get_submodule(group.makers[0])
        gone = (~keep).nonzero().flatten().tolist()
        graph.get_pruning_group(maker, torch_pruning.prune_conv_out_channels, idxs=gone).prune()
    smaller = names["removed"](built, kept)
    assert {name: p.shape for name, p in smaller.named_parameters()} == {
        name: p.shape for name, p in theirs.named_parameters()
    }
    images = THOUSAND.images
    assert (smaller(images) - theirs(images)).abs().max() < 1e-5


def test_a_coupling_that_is_not_understood():
    names = CHAPTER.run(*FILTERS)
    with pytest.raises(ValueError, match="coupling of LeNet300100 is unknown here; torch_pruning"):
        names["removed"](LeNet300100(), [])


def test_a_layer_that_would_lose_all_its_filters():
    names, built = CHAPTER.run(*FILTERS), network(8)
    kept = some_filters(names["couplings"](built), built)
    before = copy.deepcopy(built.state_dict())
    kept[2][:] = False
    with pytest.raises(ValueError, match=r"would lose all its filters; keep at least one"):
        names["removed"](built, kept)
    assert all(torch.equal(value, before[name]) for name, value in built.state_dict().items())


def test_entropy_by_hand():
    names = CHAPTER.run("entropy")
    x = torch.tensor([[0.0, 5.0, 0.0], [1.0, 5.0, 0.0], [2.0, 5.0, 0.0], [3.0, 5.0, 1.0]])
    found = names["entropy"](None, None, x, bins=4)
    by_hand = [math.log(4), 0.0, -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))]
    torch.testing.assert_close(found, torch.tensor(by_hand))


def test_relevance_is_the_share_of_variance_between_classes():
    names = CHAPTER.run("relevance")
    labels = THOUSAND.labels
    noise = torch.randn(len(labels), generator=draws)
    x = torch.stack([labels.float(), noise, torch.ones(len(labels))], 1)
    pure, mixed, constant = names["relevance"](None, None, x).tolist()
    groups = [noise[labels == c] for c in labels.unique()]
    between = sum(len(g) * (g.mean() - noise.mean()) ** 2 for g in groups)
    assert pure == pytest.approx(1, abs=1e-5) and constant == pytest.approx(0, abs=1e-5)
    assert mixed == pytest.approx((between / (noise - noise.mean()).square().sum()).item(), rel=1e-4)


def only_inside(names, built):
    """Leave all couplings alone but the inside of the second block."""
    groups = names["couplings"](built)
    inside = next(group for group in groups if "stage2.bn1" in group.norms)
    names["couplings"] = lambda network: [inside]
    return inside


def copied(built, scale):
    """Make filter 3 inside the second block `scale` times filter 1."""
    norm = built.stage2.bn1
    with torch.no_grad():
        built.stage2.conv1.weight[3] = built.stage2.conv1.weight[1]
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            values[3] = values[1]
        norm.weight[3] *= scale
        norm.bias[3] *= scale


def test_a_copied_filter_goes_without_loss():
    names = CHAPTER.run(*MERGING)
    built = reestimate_batch_norm(network(4), THOUSAND.images)
    copied(built, 0.5)
    before = built(THOUSAND.images)
    inside = only_inside(names, built)
    merged, (keep,) = names["redundancy"](built, [1])
    assert (~keep).nonzero().flatten().tolist() == [3]  # the one that varies less
    assert inside.readers == ["stage2.conv2"]
    smaller = names["zeroed"](merged, [keep])
    torch.testing.assert_close(smaller(THOUSAND.images), before, rtol=1e-4, atol=1e-4)


def test_detectors_of_opposite_direction_are_not_alike():
    names = CHAPTER.run("maps_of", "likeness")
    ramps = torch.rand(50, 1, 1, 1, generator=draws) * torch.arange(8.0).view(1, 1, 1, 8)
    values = torch.cat([ramps, ramps.flip(3), 2 * ramps + 1], 1)  # means over positions agree for all three
    assert torch.corrcoef(values.mean((2, 3)).T).min() > 0.999
    alike = names["likeness"]([names["maps_of"](values)])
    by_numpy = np.abs(np.corrcoef(values.movedim(1, 0).reshape(3, -1).numpy()))
    assert alike[0, 2] == pytest.approx(1, abs=1e-4) and alike[0, 1] < 0.9
    assert alike[0, 1].item() == pytest.approx(by_numpy[0, 1], abs=1e-4)


def test_the_reader_counts_that_finds_two_filters_least_alike():
    names = CHAPTER.run("maps_of", "likeness")
    first = torch.randn(3, 200, generator=draws)
    second = first.clone()
    second[1] = second[0]
    for maps in ([second, first], [first, second]):
        alike = names["likeness"](maps)
        torch.testing.assert_close(alike[0, 1], torch.corrcoef(first)[0, 1].abs())
    assert (alike.diagonal() == -1).all()
    silent = first.clone()
    silent[2] = 0
    assert names["likeness"]([silent])[2, 0] == 1


@pytest.mark.parametrize("build", [lambda: nn.Linear(3, 2), lambda: nn.Conv2d(3, 2, 1)])
def test_a_reader_takes_the_line_through_two_maps(build):
    names = CHAPTER.run("read_instead")
    reader = seeded(build, 0)
    a = torch.randn(60, generator=draws)
    maps = torch.stack([a, torch.randn(60, generator=draws), 3 * a - 2])
    inputs = maps.T if isinstance(reader, nn.Linear) else maps.T[:, :, None, None]
    before = reader(inputs)
    names["read_instead"](reader, maps, 0, 2)
    with torch.no_grad():
        reader.weight[:, 2] = 0
    torch.testing.assert_close(reader(inputs), before, rtol=1e-4, atol=1e-4)


def test_folding_batch_norms_equals_torchs():
    names, built = CHAPTER.run("Coupling", "residual_blocks", "couplings", "folded"), network(8)
    theirs = copy.deepcopy(built)
    theirs.stem[0] = fuse_conv_bn_eval(theirs.stem[0], theirs.stem[1])
    theirs.stem[1] = nn.Identity()
    for block in (theirs.stage1, theirs.stage2, theirs.stage3):
        block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
        block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
        if not isinstance(block.shortcut, nn.Identity):
            block.shortcut = fuse_conv_bn_eval(*block.shortcut)
    ours = names["folded"](built)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ours.modules())
    torch.testing.assert_close(ours.stage2.conv1.weight, theirs.stage2.conv1.weight)
    torch.testing.assert_close(ours.stage3.shortcut[0].bias, theirs.stage3.shortcut.bias)
    assert (ours(THOUSAND.images) - built(THOUSAND.images)).abs().max() < 1e-4


@pytest.mark.parametrize("stride", [1, 2])
def test_replacements_are_exact_where_the_weights_allow_it(stride):
    names = CHAPTER.run("factorized", "separable")
    images = torch.rand(2, 6, 9, 9, generator=draws)
    conv = nn.Conv2d(6, 8, 3, stride, padding=1, bias=False)
    with torch.no_grad():
        low = torch.randn(8, 2, generator=draws) @ torch.randn(2, 54, generator=draws)
        conv.weight.copy_(low.view_as(conv.weight))
    factors = names["factorized"](conv, 1 / 4, unit=1)
    assert factors[0].out_channels == 2
    torch.testing.assert_close(factors(images), conv(images), rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        mix, filters = torch.randn(8, 6, 1, 1, generator=draws), torch.randn(1, 6, 3, 3, generator=draws)
        conv.weight.copy_(mix * filters)
    torch.testing.assert_close(names["separable"](conv)(images), conv(images), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("share, rank", [(0.5, 32), (0.4, 24), (0.3, 16), (0.01, 16)])
def test_factors_fill_the_unit(share, rank):
    conv = nn.Conv2d(16, 64, 3, padding=1, bias=False)
    first, second = CHAPTER.run("factorized")["factorized"](conv, share)
    assert (first.out_channels, second.in_channels) == (rank, rank)
    best = torch.linalg.matrix_rank(second.weight.flatten(1) @ first.weight.flatten(1))
    assert best == rank


def test_the_product_of_two_factors_is_the_nearest_matrix_of_its_rank():
    conv = nn.Conv2d(16, 64, 3, padding=1, bias=False)
    first, second = CHAPTER.run("factorized")["factorized"](conv, 0.3)
    matrix = conv.weight.detach().flatten(1)
    left_over = (second.weight.flatten(1) @ first.weight.flatten(1) - matrix).square().sum().item()
    eigenvalues = torch.linalg.eigvalsh(matrix @ matrix.T).flip(0)  # squares of the singular values
    assert left_over == pytest.approx(eigenvalues[16:].sum().item(), rel=1e-3)


@pytest.mark.parametrize("name, options", [("factorized", {"share": 0.3}), ("separable", {})])
def test_factors_are_equally_large(name, options):
    conv = nn.Conv2d(16, 64, 3, padding=1, bias=False)
    first, second = CHAPTER.run(name)[name](conv, **options)
    rows = first.weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(second.weight.flatten(1).norm(dim=0), rows, rtol=1e-3, atol=1e-4)


def test_low_rank_has_at_most_as_many_macs():
    names = CHAPTER.run("factorized", "replaced", "low_rank")
    built, image = network(32), torch.zeros(1, 1, 28, 28)
    most = cost.macs(built, image) / 2.27
    names["images"] = image
    found = cost.macs(names["low_rank"](built, most), image)
    assert 0.95 * most < found <= most


class TestScoresOfOtherLayers:
    LAYERS = {
        "depthwise": {"groups": 4, "padding": 1},
        "two groups": {"groups": 2, "padding": 1},
        "same": {"padding": "same"},
        "dilated": {"padding": 2, "dilation": 2},
    }

    @pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
    def test_wanda_takes_the_inputs_that_each_weight_multiplies(self, options):
        first, layer = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 8, 3, bias=False, **options)
        model = nn.Sequential(first, layer).eval()
        squares = first(THOUSAND.images).square().detach().requires_grad_()
        ones = copy.deepcopy(layer)
        ones.weight.data.fill_(1)  # the gradient of a weight: the sum of what it multiplies
        ones(squares).sum().backward()
        wanted = layer.weight.detach().abs() * ones.weight.grad.sqrt()
        torch.testing.assert_close(WEIGHTS["wanda"](model)["1"], wanted, rtol=1e-4, atol=1e-4)

    def test_wanda_of_a_linear_layer_for_each_position(self):
        model = nn.Sequential(nn.Flatten(2), nn.Linear(784, 3)).eval()  # [N, 1, 784]
        norms = THOUSAND.images.flatten(1).norm(dim=0)
        torch.testing.assert_close(WEIGHTS["wanda"](model)["1"], model[1].weight.detach().abs() * norms)

    def test_taylor_of_frozen_layers(self):
        frozen, trained = network(), network()
        frozen.load_state_dict(trained.state_dict())
        frozen.requires_grad_(False)
        ours, theirs = WEIGHTS["taylor"](frozen), WEIGHTS["taylor"](trained)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        assert not any(p.requires_grad or p.grad is not None for p in frozen.parameters())

    @pytest.mark.parametrize("criterion", ["taylor", "wanda"])
    def test_tied_and_computed_weights_are_refused(self, criterion):
        tied = nn.Sequential(nn.Flatten(), nn.Linear(784, 784), nn.Linear(784, 784), nn.Linear(784, 5))
        tied[2].weight = tied[1].weight
        with pytest.raises(ValueError, match="'1' and '2' share a weight"):
            WEIGHTS[criterion](tied.eval())
        pruned = network()
        prune.l1_unstructured(pruned.head, "weight", 0.5)
        with pytest.raises(ValueError, match="the weight of 'head' is computed in every pass"):
            WEIGHTS[criterion](pruned)

    def test_taylor_of_a_layer_that_is_not_used(self):
        built = network()
        built.spare = nn.Linear(3, 2)
        scores = WEIGHTS["taylor"](built)
        assert not scores["spare"].any() and scores["head"].any()


class TestShares:
    LOSSES = {"first": [1.0, 4.0, 9.0], "second": [0.0, 0.0, 2.0]}

    def names(self):
        names = CHAPTER.run(*SHARES)
        names |= {"LEVELS": (0.5, 0.8, 0.95), "lost_alone": self.LOSSES}
        return names

    @pytest.mark.parametrize(
        "points, share", [(0, 0.0), (0.5, 0.25), (1, 0.5), (2.5, 0.65), (4, 0.8), (6.5, 0.875), (50, 0.95)]
    )
    def test_the_line_between_two_levels(self, points, share):
        assert self.names()["largest_share"](self.LOSSES["first"], points) == pytest.approx(share)

    def test_a_loss_that_falls_again_counts_where_it_is_last_met(self):
        assert self.names()["largest_share"]([3.0, 1.0, 5.0], 2) == pytest.approx(0.8 + 0.25 * 0.15)

    @pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.8, 0.95])
    def test_the_total_is_met_and_points_are_equal(self, sparsity):
        names = self.names()
        scores = {"first": torch.rand(1000, generator=draws), "second": torch.rand(3000, generator=draws)}
        masks = names["guided"](scores, sparsity)
        gone = {name: 1 - mask.double().mean().item() for name, mask in masks.items()}
        assert (1000 * gone["first"] + 3000 * gone["second"]) / 4000 == pytest.approx(sparsity, abs=1e-3)
        if sparsity == 0.8:  # steps of 2 % leave 0.1 %, steps of 50 % leave 3.4 %
            levels = [0, 0.5, 0.8, 0.95]
            points = [np.interp(gone[name], levels, [0, *losses]) for name, losses in self.LOSSES.items()]
            assert points[0] == pytest.approx(points[1], rel=0.01)

    @pytest.mark.parametrize("sparsity", [-0.1, 0.96, math.nan])
    def test_beyond_the_scan(self, sparsity):
        with pytest.raises(ValueError, match=rf"sparsity is {sparsity}; the scan ends at 0.95"):
            self.names()["guided"]({"first": torch.rand(10)}, sparsity)


def test_as_many_weights_in_each_layer_as_filters_leave():
    names = CHAPTER.run(*FILTERS, "magnitude", "as_many")
    built = network(8)
    smaller = names["removed"](built, some_filters(names["couplings"](built), built))
    masks = names["as_many"](built, smaller)
    for name, layer in layers(built).items():
        assert int(masks[name].sum()) == smaller.get_submodule(name).weight.numel()
        kept, rest = layer.weight[masks[name]].abs(), layer.weight[~masks[name]].abs()
        assert not len(rest) or kept.min() >= rest.max()


def test_counts_are_multiples_of_the_unit():
    names = CHAPTER.run("Coupling", "residual_blocks", "couplings", "sized")
    built = network(32)
    totals = [len(built.get_submodule(group.makers[0]).weight) for group in names["couplings"](built)]
    kept = [t - g for t, g in zip(totals, names["sized"](built, 3 / 4, 1 / 2), strict=True)]
    assert totals == [32, 64, 32, 128, 64, 128] and kept == [16, 32, 32, 64, 48, 96]


@pytest.mark.parametrize("size", [(3, 8, 1, 1), (5, 4, 3, 3), (6, 12)])
def test_two_of_every_four_inputs_stay(size):
    scores = torch.rand(size, generator=draws)
    mask = CHAPTER.run("two_of_four")["two_of_four"](scores)
    ours, values = mask.movedim(1, -1).reshape(-1, 4), scores.movedim(1, -1).reshape(-1, 4)
    for four, kept in zip(values.tolist(), ours.tolist(), strict=True):
        assert kept == [value in sorted(four)[2:] for value in four]


def test_two_of_four_leaves_what_does_not_divide():
    assert CHAPTER.run("two_of_four")["two_of_four"](torch.rand(5, 6)).all()


def test_without_its_last_block_a_network_is_its_shortcut():
    built = network(8)
    smaller = CHAPTER.run("without_block")["without_block"](built)
    with torch.no_grad():
        built.stage3.bn2.weight.zero_()
        built.stage3.bn2.bias.zero_()
    torch.testing.assert_close(smaller(THOUSAND.images), built(THOUSAND.images))
    assert hasattr(built.stage3, "conv1") and not hasattr(smaller.stage3, "conv1")


@pytest.mark.parametrize("rounds", [1, 3, 7])
def test_the_papers_rates_of_a_ticket(rounds):
    names = CHAPTER.run("weights", "magnitude", "keep_largest", "ticket_masks")
    built = seeded(LeNet300100, 0)
    masks = names["ticket_masks"](built, rounds)
    left = [mask.double().mean().item() for mask in masks.values()]
    assert left == pytest.approx([0.8**rounds, 0.8**rounds, 0.9**rounds], abs=1e-3)


def test_later_masks_lie_within_earlier_ones():
    names = CHAPTER.run("weights", "magnitude", "keep_largest", "ticket_masks", "find_tickets")
    seen = []

    def train_lenet(start, masks, epochs):
        seen.append(masks)
        trained = copy.deepcopy(start)
        for layer in trained:
            if isinstance(layer, nn.Linear):
                layer.weight.data = torch.randn(layer.weight.shape, generator=draws)
        for name, mask in masks.items():
            trained.get_submodule(name).weight.data *= mask
        return trained

    names |= {"train_lenet": train_lenet, "SHORT": 1}
    found = names["find_tickets"](seeded(LeNet300100, 0), 3)
    assert len(found) == 4 and found[:3] == seen and found[0] == {}
    for before, after in zip(found[1:], found[2:], strict=False):
        assert all((after[name] <= before[name]).all() for name in after)


@pytest.mark.parametrize(
    "ratio, found",
    [
        ({0.5: 0.5, 0.9: 2.0}, 0.7),
        ({0.5: 0.5, 0.9: 8.0}, 0.6),
        ({0.5: 0.5, 0.9: 0.9}, None),
        ({0.5: 1.5, 0.9: 2.0}, 0.5),
        ({0.3: 2.0, 0.5: 0.25, 0.7: 4.0}, 0.6),  # a lucky point below does not count
    ],
)
def test_the_break_even_lies_between_logarithms(ratio, found):
    assert CHAPTER.run("crossing")["crossing"](ratio) == (found and pytest.approx(found))


def test_a_random_mask_has_as_many_weights_elsewhere():
    names = CHAPTER.run("shuffled")
    names["SEED"] = 3
    masks = {"a": torch.arange(600).view(20, 30) < 200, "b": torch.ones(4, 5, dtype=torch.bool)}
    found = names["shuffled"](masks)
    assert all(found[name].shape == mask.shape for name, mask in masks.items())
    assert found["a"].sum() == 200 and found["b"].all()
    assert 30 < (found["a"] & masks["a"]).sum() < 110  # 67 are expected
    assert same(found, names["shuffled"](masks))


def test_what_masks_leave_in_percent():
    masks = {"a": torch.tensor([True, False, False]), "b": torch.ones(5, dtype=torch.bool)}
    assert CHAPTER.run("left_in")["left_in"](masks) == pytest.approx(75)


WAYS = ("TARGET", "STARTS", "one_shot", "iterative", "gradual", "up_to_a_thirteenth")


@pytest.mark.parametrize("target", [0.8, 0.9])
def test_the_ways_end_at_the_same_sparsity(target):
    names = CHAPTER.run(*WAYS)
    for way in ("one_shot", "iterative", "gradual"):
        assert names[way](0.999, target) == pytest.approx(target)
        assert names[way](0.7, target) == pytest.approx(target)  # the last masks hold for three tenths
    steps = [names["iterative"](t, target) for t in (0, 0.23, 0.47, 0.7)]
    remaining = np.array([1, *(1 - np.array(steps))])
    assert remaining[1:] / remaining[:-1] == pytest.approx([(1 - target) ** 0.25] * 4)
    assert names["gradual"](0, target) == 0
    assert names["gradual"](0.35, target) == pytest.approx(target * 7 / 8)


@pytest.mark.parametrize("way", ["iterative", "gradual"])
def test_the_last_masks_wait_for_seven_tenths(way):
    assert CHAPTER.run(*WAYS)[way](0.69) < 0.8 - 1e-6


class TestMasksAlongAPath:
    NAMES = ("weights", "magnitude", "keep_largest", "choose", "masks_along")

    def masks(self, way, steps=40):
        """Masks in the course of a training that draws all weights anew before each call."""
        names = CHAPTER.run(*WAYS, "largest_share", "guided", *self.NAMES)
        masks_at = names["masks_along"](names[way], names["choose"])
        built, found = seeded(lambda: nn.Sequential(nn.Linear(40, 30), nn.Linear(30, 5)), 0), []
        for step in range(steps):
            for layer in built:
                layer.weight.data = torch.randn(layer.weight.shape, generator=draws)
            found.append(masks_at(built, step / steps))
        return found

    @pytest.mark.parametrize("way, sets", [("one_shot", 1), ("iterative", 4), ("gradual", 29)])
    def test_they_change_only_where_the_path_rises(self, way, sets):
        found = self.masks(way)
        changes = sum(one is not other for one, other in zip(found, found[1:], strict=False))
        assert changes == sets - 1

    @pytest.mark.parametrize("way", ["iterative", "gradual", "up_to_a_thirteenth"])
    def test_what_is_gone_stays_gone(self, way):
        found = self.masks(way)
        for before, after in zip(found, found[1:], strict=False):
            assert all((after[name] <= before[name]).all() for name in after)

    @pytest.mark.parametrize(
        "way, left", [("iterative", 0.2), ("gradual", 0.2), ("up_to_a_thirteenth", 1 / 13)]
    )
    def test_the_path_is_followed_to_its_end(self, way, left):
        masks = self.masks(way)[-1]
        kept = sum(int(mask.sum()) for mask in masks.values())
        assert kept / sum(mask.numel() for mask in masks.values()) == pytest.approx(left, abs=1e-3)


def test_new_weights_are_other_weights_of_the_same_shape():
    names, built = CHAPTER.run("with_new_weights"), network(8)
    fresh = names["with_new_weights"](built)
    assert not torch.equal(fresh.head.weight, built.head.weight)
    assert (fresh.stem[1].running_var == 1).all() and fresh.stage1.conv1.weight.shape == (8, 8, 3, 3)


class TestTraining:
    """What the chapter asks the book's loop for."""

    def names(self, *statements):
        names = CHAPTER.run("FURTHER", "PATIENT", "RATES", *statements)
        return names | {"SEED": 5, "lessons": "lessons"}

    def test_every_kind_is_trained_further_at_its_own_rate(self):
        names, seen = self.names(), []
        statement = CHAPTER.statement("further")
        known = names | {"train_masked": lambda *given, **options: seen.append((given, options))}
        exec(compile(ast.Module([statement], []), "chapter", "exec"), known)
        for kind in names["RATES"]:
            known["further"]("network", kind, "masks")
        known["further"]("network", "patient", "masks", names["PATIENT"])
        assert [given for given, _ in seen] == [("network", "lessons", "masks")] * len(seen)
        recipes = [options["recipe"] for _, options in seen]
        assert [recipe.learning_rate for recipe in recipes[:-1]] == list(names["RATES"].values())
        assert {recipe.epochs for recipe in recipes[:-1]} == {1} and recipes[-1].epochs == 7
        assert {replace(recipe, epochs=6, learning_rate=0.6) for recipe in recipes} == {RECIPE}
        assert {options["seed"] for _, options in seen} == {5}

    def test_from_scratch_draws_new_weights_and_has_a_rate(self):
        names, seen = self.names("with_new_weights"), []
        statement = CHAPTER.statement("from_scratch")
        known = names | {"seeded": seeded, "fit": lambda *given, **options: seen.append((given, options))}
        exec(compile(ast.Module([statement], []), "chapter", "exec"), known)
        built = network(8)
        fresh = known["from_scratch"](built, 3)
        (given, options), again = seen[0], known["from_scratch"](built, 3)
        assert given == (fresh, "lessons") and options["recipe"].epochs == 3
        assert options["recipe"].learning_rate == names["RATES"]["scratch"]
        assert torch.equal(fresh.head.weight, again.head.weight)
        assert not torch.equal(fresh.head.weight, built.head.weight)


class TestStoredRows:
    def rows(self, *rows):
        columns = ["dataset", "seed", "name", "at", "value"]
        stored = pd.DataFrame(list(rows), columns=columns)
        names = CHAPTER.run("stored_rows")
        names["evidence"] = Stored("03_pruning", "glyphs", False, stored)
        return names["stored_rows"]

    def test_intervals_and_words(self):
        values = {"ahead": [1.0, 1.2, 1.1], "behind": [-1.0, -1.2, -1.1], "open": [-1.0, 1.0, 0.5]}
        rows = [
            ("glyphs", i, name, math.nan, v) for name, found in values.items() for i, v in enumerate(found)
        ]
        rows += [("glyphs", i, "swept", 7.0, v) for i, v in enumerate(values["ahead"])]
        table = self.rows(*rows)(["ahead", "open", "swept@7", "behind"])
        assert list(table["side"]) == ["ahead", "undecided", "ahead", "behind"]
        assert table["mean"][2] == pytest.approx(1.1) and table["low"][1] == interval(values["open"]).low

    def test_without_evidence_there_is_an_empty_table(self):
        assert self.rows()(["ahead"]).empty
