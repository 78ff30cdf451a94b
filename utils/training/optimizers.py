"""Optimizers made of update rules, and how far two optimizers come apart."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Rule = Callable[[Tensor, Tensor, dict, float], Tensor]


class RuleOptimizer(torch.optim.Optimizer):
    """Changes every parameter by one rule.

    Args:
        parameters: of a network.
        rule: called as `rule(w, g, state, lr)`; gives the new parameter. `w` is the old one, `g` its
            gradient, `state` a dictionary that is its own from step to step, `lr` the learning rate.
        lr: learning rate, above 0.

    Raises:
        ValueError: if the learning rate is not above 0.
    """

    def __init__(self, parameters, rule: Rule, lr: float):
        if not lr > 0:
            raise ValueError(f"lr is {lr}; it has to be above 0")
        super().__init__(parameters, {"lr": lr})
        self.rule = rule

    @torch.no_grad()
    def step(self):
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                p.copy_(self.rule(p, p.grad, self.state[p], group["lr"]))


def largest_difference(
    rule: Rule,
    library: Callable[..., torch.optim.Optimizer],
    start: Tensor,
    loss: Callable[[Tensor], Tensor],
    *,
    steps: int = 100,
    lr: float = 0.01,
) -> float:
    """How far a rule and a library's optimizer come apart on the way down, in 64 bits.

    Args:
        rule: as for `RuleOptimizer`.
        library: called as `library([w], lr=lr)`.
        start: where both begin.
        loss: called as `loss(w)`, gives a scalar.
        steps: of either.
        lr: of either.

    Returns:
        The largest difference of any entry of `w` after any step; NaN where one of the two is no number.
    """
    ours, theirs = (nn.Parameter(start.double().clone()) for _ in range(2))
    optimizers = RuleOptimizer([ours], rule, lr), library([theirs], lr=lr)
    apart = []
    for _ in range(steps):
        for w, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            loss(w).backward()
            optimizer.step()
        apart.append((ours - theirs).detach().abs().max())
    return torch.stack(apart).max().item()
