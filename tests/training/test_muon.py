"""Oracles: torch's singular value decomposition, torch.optim.Muon and AdamW, a step worked out by hand.

`torch.optim.Muon` iterates in bfloat16, ours in the weights' own type. Here its cast is replaced by a copy,
so that its own code runs in float64. In bfloat16 the two could not be compared tightly: torch multiplies and
adds in one operation (`addmm`, one rounding), ours in several.
"""

import copy
import math

import pytest
import torch
from torch import nn

from utils.models import ResNet
from utils.training.muon import Muon, orthogonalize


@pytest.fixture
def exact(monkeypatch):
    """Let torch.optim.Muon compute in the dtype of its parameters."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)


def stack():
    torch.manual_seed(0)
    sizes = [6, 9, 20, 4, 4, 3]  # tall, tall, wide, square, wide
    layers = [layer for a, b in zip(sizes, sizes[1:], strict=False) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers[:-1]).double()


def train(model, optimizers, steps, schedule=None):
    generator = torch.Generator().manual_seed(0)
    images, targets = (torch.randn(16, n, generator=generator, dtype=torch.float64) for n in (6, 3))
    for _ in range(steps):
        model.zero_grad()
        nn.functional.mse_loss(model(images), targets).backward()
        for optimizer in optimizers:
            optimizer.step()
        if schedule:
            schedule.step()


@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (12, 12), (1, 7)])
def test_singular_vectors_stay_and_singular_values_come_near_1(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    u, values, vh = torch.linalg.svd(matrix, full_matrices=False)
    values /= values.square().sum().sqrt()  # by the Frobenius norm
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    result = orthogonalize(matrix)
    torch.testing.assert_close(result, u @ values.diag() @ vh, rtol=1e-9, atol=1e-9)
    found = torch.linalg.svdvals(result)
    assert found.min() > 0.6 and found.max() < 1.3
    assert torch.cosine_similarity(result.flatten(), (u @ vh).flatten(), dim=0) > 0.95
    assert torch.equal(orthogonalize(torch.zeros(shape)), torch.zeros(shape))


def test_bfloat16_is_torchs_iteration_up_to_its_roundings():
    matrix = torch.randn(24, 8, generator=torch.Generator().manual_seed(1))
    weight = nn.Parameter(torch.zeros(24, 8))
    weight.grad = matrix
    options = {"momentum": 0.0, "weight_decay": 0, "adjust_lr_fn": "spectral_unclamped"}
    try:
        torch.optim.Muon([weight], lr=1.0, **options).step()
    except ValueError as error:
        pytest.skip(f"this torch has no rate without a bound to compare with: {error}")
    ours = orthogonalize(matrix, dtype=torch.bfloat16)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.float(), -weight.detach() / math.sqrt(3), rtol=0, atol=0.06)


def test_a_hundred_steps_equal_torchs_muon_and_adamw(exact):
    model = stack()
    other = copy.deepcopy(model)
    train(model, [Muon(model, 0.01, weight_decay=0.1)], 100)
    hidden = [other[i].weight for i in (2, 4, 6)]
    rest = [other[0].weight, other[8].weight] + [other[i].bias for i in (0, 2, 4, 6, 8)]
    theirs = torch.optim.Muon(hidden, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    train(other, [theirs, torch.optim.AdamW(rest, lr=0.01, weight_decay=0.1)], 100)
    for mine, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-8, atol=1e-8)


def test_filters_are_taken_as_one_matrix(exact):
    """And the first filters, the classifier, biases and batch norms of the book's network go to AdamW."""
    model = ResNet(4, 1, 2).double().train()
    other = copy.deepcopy(model)
    torch.manual_seed(0)
    for mine, expected in zip(model.parameters(), other.parameters(), strict=True):
        mine.grad = torch.randn_like(mine)
        expected.grad = mine.grad.clone()
    filters = [p for p in other.parameters() if p.ndim == 4][1:]
    rest = [p for p in other.parameters() if not any(p is one for one in filters)]
    Muon(model, 0.01, weight_decay=0.1).step()

    torch.optim.AdamW(rest, lr=0.01, weight_decay=0.1).step()
    for p in filters:
        matrix = nn.Parameter(p.detach().view(len(p), -1))  # the same memory
        matrix.grad = p.grad.view(len(p), -1)
        torch.optim.Muon([matrix], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw").step()
    for mine, expected in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-9, atol=1e-9)


def test_a_step_worked_out_by_hand():
    """A gradient of one singular value: each step maps 1 to a + b + c = 0.701, and so on five times."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3), nn.Linear(3, 1)).double()
    with torch.no_grad():
        model[1].weight.fill_(10.0)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    model[1].weight.grad[2, 0] = -5.0
    Muon(model, 0.1, weight_decay=0.5).step()
    value = 1.0
    for _ in range(5):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    expected = torch.full((3, 2), 10 * (1 - 0.1 * 0.5), dtype=torch.float64)
    expected[2, 0] += 0.1 * 0.2 * math.sqrt(3) * value
    torch.testing.assert_close(model[1].weight.detach(), expected, rtol=1e-12, atol=0)


def test_a_schedule_changes_the_rate_of_every_parameter():
    model = stack()
    optimizer = Muon(model, 0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(step == 0))
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.01]
    states = [copy.deepcopy(list(model.parameters()))]
    for _ in range(2):
        train(model, [optimizer], 1, schedule)
        states.append(copy.deepcopy(list(model.parameters())))
    assert not any(torch.equal(a, b) for a, b in zip(states[0], states[1], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(states[1], states[2], strict=True))


def test_gradients_are_cleared_of_every_parameter():
    model = stack()
    optimizer = Muon(model, 0.01)
    train(model, [optimizer], 1)
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("layers", [1, 2])
def test_a_model_without_hidden_weights_is_refused(layers):
    with pytest.raises(ValueError, match=f"{layers} weights and no hidden one"):
        Muon(nn.Sequential(*(nn.Linear(3, 3) for _ in range(layers))), 0.01)


@pytest.mark.parametrize("rate", [0, -1.0, math.nan])
def test_a_rate_that_is_not_above_0_is_refused(rate):
    with pytest.raises(ValueError, match=f"lr is {rate}"):
        Muon(stack(), rate)
