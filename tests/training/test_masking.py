"""Masks: against torch's own pruning, and while a network is trained."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from utils.data.splits import Dataset, Split
from utils.models import ResNet, seeded
from utils.training.loop import fit
from utils.training.masking import apply_masks, masked, train_masked
from utils.training.recipe import FOUNDATION, MUON, RECIPE


def small_data():
    draws = torch.Generator().manual_seed(0)
    split = Split(torch.rand(24, 1, 8, 8, generator=draws), torch.arange(24) % 3)
    return Dataset("small", split, split, split, ("a", "b", "c"))


def network():
    return seeded(lambda: ResNet(8, num_classes=3), 0)


def half(model):
    draws = torch.Generator().manual_seed(1)
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    return {n: torch.rand(m.weight.shape, generator=draws) < 0.5 for n, m in layers.items()}


def test_masks_do_what_torchs_do():
    ours, theirs = network().eval(), network().eval()
    masks = half(ours)
    for name, mask in masks.items():
        prune.custom_from_mask(theirs.get_submodule(name), "weight", mask)
    images = small_data().test.images
    assert torch.equal(masked(ours, masks)(images), theirs(images))


def test_a_copy_is_masked():
    model = network()
    before = copy.deepcopy(model.state_dict())
    masked(model, half(model))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert apply_masks(model, half(model)) is model
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("recipe", [FOUNDATION, RECIPE, MUON], ids=["adamw", "sgd", "muon"])
def test_what_is_masked_stays_zero_and_the_rest_is_trained(recipe):
    model, data = network(), small_data()
    masks, start = half(model), copy.deepcopy(model.state_dict())
    trained = train_masked(
        model, data, lambda *_: masks, seed=0, recipe=replace(recipe, epochs=3, batch_size=8)
    )
    for name, mask in masks.items():
        weight = trained.get_submodule(name).weight
        assert not weight[~mask].any() and not torch.equal(weight[mask], start[f"{name}.weight"][mask])
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())
    assert not trained.training


def test_what_fit_takes_is_passed_on():
    def nothing(logits, labels):
        return 0 * logits.sum()

    model, data = network(), small_data()
    recipe = replace(FOUNDATION, epochs=1, batch_size=8, weight_decay=0.0)
    trained = train_masked(model, data, lambda *_: {}, seed=0, recipe=recipe, loss_function=nothing)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), trained.parameters(), strict=True))


def test_masks_are_asked_for_at_regular_progress():
    asked = []

    def masks_at(model, progress):
        asked.append(progress)
        return {}

    recipe = replace(FOUNDATION, epochs=4, batch_size=8)  # 12 steps
    train_masked(network(), small_data(), masks_at, seed=0, recipe=recipe, every=5)
    assert asked == [0, 5 / 12, 10 / 12]


def test_without_masks_it_is_the_usual_training():
    recipe, data = replace(RECIPE, epochs=1, batch_size=8), small_data()
    usual = network()
    fit(usual, data, seed=3, recipe=recipe)
    held = train_masked(network(), data, lambda *_: {}, seed=3, recipe=recipe)
    assert all(torch.equal(a, b) for a, b in zip(usual.parameters(), held.parameters(), strict=True))


def test_a_mask_of_another_network():
    with pytest.raises(ValueError, match=r"mask of 'head' has the shape \(3, 2\), its weight \(3, 32\)"):
        apply_masks(network(), {"head": torch.ones(3, 2, dtype=torch.bool)})


def pruned_by_torch(model):
    prune.l1_unstructured(model.head, "weight", amount=0.5)


def normed(model):
    parametrizations.weight_norm(model.head)


@pytest.mark.parametrize("change", [pruned_by_torch, normed])
def test_weights_that_are_computed_in_every_pass_are_refused(change):
    model, data = network(), small_data()
    mask = {"head": torch.zeros(3, 32, dtype=torch.bool)}
    change(model)
    recipe = replace(FOUNDATION, epochs=1)
    for call in (
        lambda: apply_masks(model, mask),
        lambda: masked(model, mask),
        lambda: train_masked(model, data, lambda *_: mask, seed=0, recipe=recipe),
    ):
        with pytest.raises(ValueError, match="weight of 'head' is computed in every pass, from .*[wW]eight"):
            call()


def test_a_mask_without_a_layer():
    for name in ("nowhere", "pool"):
        with pytest.raises(ValueError, match=f"a mask for '{name}', but no layer of that name with a weight"):
            apply_masks(network(), {name: torch.ones(1, dtype=torch.bool)})


def test_shared_weights_are_masked_for_all_who_share_them():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    mask = torch.arange(16).view(4, 4) % 2 == 0
    for copied in (masked(model, {"0": mask}), masked(model, {"1": mask})):
        assert copied[0].weight is copied[1].weight and not copied[0].weight[~mask].any()
