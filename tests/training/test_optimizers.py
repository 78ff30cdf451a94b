"""Oracles: a step by hand, torch's SGD, a difference that is known."""

import math

import pytest
import torch
from torch import nn

from utils.training.optimizers import RuleOptimizer, largest_difference


def count_and_descend(w, g, state, lr):
    state["steps"] = state.get("steps", 0) + 1
    return w - lr * state["steps"] * g


def test_a_rule_has_a_memory_for_each_parameter():
    a, b, idle = (nn.Parameter(torch.tensor([value])) for value in (1.0, 2.0, 3.0))
    optimizer = RuleOptimizer([a, b, idle], count_and_descend, 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (a * 1 + b * 10).sum().backward()
        optimizer.step()
    assert a.item() == pytest.approx(1 - 0.1 * 1 - 0.1 * 2)
    assert b.item() == pytest.approx(2 - 0.1 * 10 - 0.1 * 20)
    assert idle.item() == 3


def test_a_schedule_reaches_the_rule():
    w = nn.Parameter(torch.tensor([1.0]))
    optimizer = RuleOptimizer([w], lambda w, g, state, lr: w - lr, 0.5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1**step)
    for _ in range(2):
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()
        schedule.step()
    assert w.item() == pytest.approx(1 - 0.5 - 0.05)


def test_equal_optimizers_do_not_come_apart_and_others_do():
    start, loss = (
        torch.ones(2, 3),
        lambda w: (w**2).sum() / 2,
    )  # the gradient is w: each step keeps 0.99 of it
    assert largest_difference(lambda w, g, state, lr: w - lr * g, torch.optim.SGD, start, loss) < 1e-15
    apart = largest_difference(lambda w, g, state, lr: w, torch.optim.SGD, start, loss, steps=3)
    assert apart == pytest.approx(1 - 0.99**3)
    lost = largest_difference(lambda w, g, state, lr: w * math.nan, torch.optim.SGD, start, loss, steps=2)
    assert math.isnan(lost)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_learning_rate_has_to_be_above_0(rate):
    with pytest.raises(ValueError, match=f"lr is {rate}"):
        RuleOptimizer([nn.Parameter(torch.ones(1))], count_and_descend, rate)
