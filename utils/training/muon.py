"""Muon, which steps along orthogonal matrices, for the hidden weights of a network; AdamW for the rest."""

import math

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the polynomial by which Jordan et al. (2024) iterate
ADAMW_SIZE = 0.2  # root mean square of AdamW's usual step, per unit of learning rate (Liu et al., 2025)


def orthogonalize(matrix: Tensor, *, steps: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """Bring all singular values of a matrix near 1 and keep its directions (Jordan et al., 2024).

    Each Newton-Schulz step maps every singular value s to a s + b s^3 + c s^5. That needs matrix products
    alone, where a singular value decomposition would be slow.

    Args:
        matrix: `[A, B]`, floating point.
        steps: five bring singular values of 0.01 to 1 into about 0.7 to 1.2.
        dtype: what to compute in, by default the matrix's own; `torch.optim.Muon` uses bfloat16.

    Returns:
        `[A, B]`, in `dtype`.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(dtype or matrix.dtype)
    x = x.T if tall else x  # the product below is smaller this way round
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for the hidden weights (Jordan et al., 2024), at AdamW's step size (Liu et al., 2025).

    A filter bank `[outputs, inputs, h, w]` is taken as a matrix `[outputs, inputs * h * w]`. The first and
    the last weight, biases and batch norms are left to AdamW.

    Args:
        model: its parameters, in the order of the layers.
        lr: learning rate of both, above 0.
        weight_decay: decoupled, 0 or more.
        momentum: share of the old gradients that stays in their average, in 0...1.

    Raises:
        ValueError: if the model has no hidden weights, or the learning rate is not above 0.
    """

    def __init__(self, model: nn.Module, lr: float, *, weight_decay: float = 0.0, momentum: float = 0.95):
        weights = [p for p in model.parameters() if p.ndim >= 2]
        hidden = weights[1:-1]
        if not hidden:
            raise ValueError(f"the model has {len(weights)} weights and no hidden one; use adamw")
        if not lr > 0:
            raise ValueError(f"lr is {lr}; it has to be above 0")
        super().__init__(hidden, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        chosen = {id(p) for p in hidden}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        self.adamw = torch.optim.AdamW(rest, lr=lr, weight_decay=weight_decay)
        self.param_groups += self.adamw.param_groups  # the same objects: a schedule changes both

    def state_dict(self):
        """Not offered: the moments of AdamW would be missing."""
        raise NotImplementedError("Muon cannot be stored; train in one go, as utils.training.fit does")

    @torch.no_grad()
    def step(self):
        """Change every parameter that has a gradient."""
        self.adamw.step()
        group = self.param_groups[0]
        for p in (p for p in group["params"] if p.grad is not None):
            state = self.state[p]
            average = state.setdefault("average", torch.zeros_like(p))
            average.lerp_(p.grad, 1 - group["momentum"])
            ahead = p.grad.lerp(average, group["momentum"]).flatten(1)  # Nesterov's form
            size = ADAMW_SIZE * math.sqrt(max(ahead.shape))
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.sub_(orthogonalize(ahead).view_as(p), alpha=group["lr"] * size)
