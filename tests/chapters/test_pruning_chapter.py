"""The masks of chapter 3 against torch's, its removal of filters against torch-pruning, and its bad input."""

import ast
import copy
import math
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch_pruning
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tests.chapter_source import Chapter, settled_network
from utils.measuring.activations import layer_inputs, pooled_inputs, squared_inputs
from utils.measuring.computed import check_own_weights
from utils.measuring.evaluation import reestimate_batch_norm
from utils.models import LeNet300100, ResNet, seeded

draws = torch.Generator().manual_seed(0)
THOUSAND = SimpleNamespace(
    images=torch.rand(40, 1, 28, 28, generator=draws), labels=torch.randint(5, (40,), generator=draws)
)
CHAPTER = Chapter(
    "03_pruning",
    **{"F": F, "copy": copy, "namedtuple": namedtuple, "nn": nn, "np": np, "torch": torch},
    **{"layer_inputs": layer_inputs, "pooled_inputs": pooled_inputs, "thousand": THOUSAND, "ResNet": ResNet},
    **{"squared_inputs": squared_inputs, "check_own_weights": check_own_weights},
    data=SimpleNamespace(num_classes=5),
)
WEIGHTS = CHAPTER.run("weights", "magnitude", "taylor", "wanda", "keep_largest", "choose")
FILTERS = ("weights", "keep_largest", "Coupling", "couplings", "zeroed", "removed")


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
    with pytest.raises(ValueError, match="coupling of LeNet300100 is unknown.*torch_pruning"):
        names["removed"](LeNet300100(), [])


def test_a_layer_that_would_lose_all_its_filters():
    names, built = CHAPTER.run(*FILTERS), network(8)
    kept = some_filters(names["couplings"](built), built)
    before = copy.deepcopy(built.state_dict())
    kept[2][:] = False
    with pytest.raises(ValueError, match=r"would lose all its filters; keep at least one"):
        names["removed"](built, kept)
    assert all(torch.equal(value, before[name]) for name, value in built.state_dict().items())


def test_two_of_four_is_what_the_hardware_asks_for():
    names = CHAPTER.run("two_of_four")
    scores = torch.rand(6, 8, 3, 3, generator=draws)
    mask = names["two_of_four"](scores)
    fours = mask.movedim(1, -1).reshape(-1, 4)
    assert (fours.sum(1) == 2).all()
    values = scores.movedim(1, -1).reshape(-1, 4)
    assert torch.equal(values[fours].view(-1, 2).sum(1), values.topk(2).values.sum(1))
    assert names["two_of_four"](torch.rand(4, 1, 3, 3)).all()


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


def test_a_copied_filter_is_folded_without_loss():
    names = CHAPTER.run("weights", "Coupling", "couplings", "zeroed", "seen", "redundancy")
    built = reestimate_batch_norm(network(4), THOUSAND.images)
    norm = built.stage2.bn1
    with torch.no_grad():  # filter 3 becomes half of filter 1
        built.stage2.conv1.weight[3] = built.stage2.conv1.weight[1]
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            values[3] = values[1]
        norm.weight[3] /= 2
        norm.bias[3] /= 2
    before = built(THOUSAND.images)
    inside = next(group for group in names["couplings"](built) if "stage2.bn1" in group.norms)
    names["couplings"] = lambda network: [inside]  # leave the other layers alone
    folded = names["redundancy"](built, 1 / 8)
    assert (folded.stage2.bn1.weight == 0).nonzero().flatten().tolist() == [3]  # the quieter of the two
    torch.testing.assert_close(folded(THOUSAND.images), before, rtol=1e-4, atol=1e-4)


def test_folding_batch_norms_equals_torchs():
    names, built = CHAPTER.run("Coupling", "couplings", "folded"), network(8)
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
        low = torch.randn(8, 2, generator=draws) @ torch.randn(2, 54, generator=draws)  # rank 2 = 8 / 4
        conv.weight.copy_(low.view_as(conv.weight))
    torch.testing.assert_close(names["factorized"](conv)(images), conv(images), rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        mix, filters = torch.randn(8, 6, 1, 1, generator=draws), torch.randn(1, 6, 3, 3, generator=draws)
        conv.weight.copy_(mix * filters)
    torch.testing.assert_close(names["separable"](conv)(images), conv(images), rtol=1e-3, atol=1e-3)


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
