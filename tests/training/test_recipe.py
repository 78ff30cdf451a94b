"""Oracles: torch's optimizers and its OneCycleLR, the smoothed cross-entropy written out, a lit pixel."""

import copy
import math

import pytest
import torch
from torch import nn

from utils.training.muon import Muon
from utils.training.recipe import Recipe


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)).double()


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"accumulation": 0},
        {"accumulation": 3},  # does not divide 128
        {"learning_rate": 0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"weight_decay": -1},
        {"warm_up": -0.1},
        {"warm_up": 1.5},
        {"label_smoothing": -0.1},
        {"label_smoothing": 1.5},
        {"label_smoothing": math.nan},
        {"shift": -1},
        {"clip_norm": 0},
        {"clip_norm": math.nan},
        {"optimizer": "adam"},
    ],
)
def test_bad_recipes_are_named(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f"^{name} is {value!r}"):
        Recipe(**bad)


def test_the_bounds_themselves_are_allowed():
    Recipe(epochs=1, batch_size=1, weight_decay=0, warm_up=0, label_smoothing=0, shift=0, accumulation=1)
    Recipe(warm_up=1, label_smoothing=1, batch_size=6, accumulation=3, clip_norm=math.inf)


def test_the_cycle_equals_torchs_one_cycle():
    """Torch rises from peak / div_factor, here a 30th: the first of our 30 rising steps."""
    recipe = Recipe(warm_up=0.3)
    rates = {}
    for anneal in ("linear", "cos"):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        options = {"pct_start": 0.3, "div_factor": 30, "final_div_factor": 1e12, "cycle_momentum": False}
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 1.0, total_steps=100, anneal_strategy=anneal, **options
        )
        rates[anneal] = []
        for _ in range(100):
            rates[anneal].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(rates[anneal]) < 100:
                schedule.step()
    expected = rates["linear"][:30] + rates["cos"][30:]
    assert [recipe.one_cycle(step, 100) for step in range(100)] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("warm_up", "steps"), [(0, 1), (1, 1), (0, 5), (1, 5), (0.5, 2)])
def test_the_cycle_peaks_once_at_any_length(warm_up, steps):
    factors = [Recipe(warm_up=warm_up).one_cycle(step, steps) for step in range(steps)]
    peak = max(1, round(warm_up * steps)) - 1
    assert factors[peak] == 1
    assert factors[: peak + 1] == sorted(set(factors[: peak + 1]))
    assert factors[peak:] == sorted(set(factors[peak:]), reverse=True)
    assert min(factors) >= 0


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("adamw", lambda model: torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.3)),
        (
            "sgd",
            lambda model: torch.optim.SGD(
                model.parameters(), lr=0.02, weight_decay=0.3, momentum=0.9, nesterov=True
            ),
        ),
        ("muon", lambda model: Muon(model, 0.02, weight_decay=0.3)),
    ],
)
def test_optimizers_are_torchs_with_the_recipes_values(name, theirs):
    model = network()
    other = copy.deepcopy(model)
    optimizers = [
        (model, Recipe(optimizer=name, learning_rate=0.02, weight_decay=0.3).make_optimizer(model)),
        (other, theirs(other)),
    ]
    images = torch.rand(8, 5, dtype=torch.float64)
    for trained, optimizer in optimizers:
        for _ in range(4):
            optimizer.zero_grad()
            trained(images).square().sum().backward()
            optimizer.step()
    assert not torch.equal(model[2].weight, network()[2].weight)
    for mine, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_loss_is_the_cross_entropy_with_smoothed_targets(share):
    logits, labels = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 0])
    targets = (1 - share) * torch.eye(4, dtype=torch.float64)[labels] + share / 4
    expected = -(targets * (logits - logits.exp().sum(1, keepdim=True).log())).sum(1).mean()
    torch.testing.assert_close(Recipe(label_smoothing=share).loss_function()(logits, labels), expected)


def test_augmentation_moves_a_lit_pixel_by_at_most_the_shift():
    assert Recipe(shift=0).transform() is None
    torch.manual_seed(0)
    images = torch.zeros(400, 1, 9, 9)
    images[:, :, 4, 4] = 1
    lit = Recipe(shift=2).transform()(images).nonzero()
    places = {(row, column) for _, _, row, column in lit.tolist()}
    assert len(lit) == 400
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}
