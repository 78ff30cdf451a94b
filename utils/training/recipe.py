"""How the book's networks are trained: the recipe, and the optimizer and the schedule that it names."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from utils.training.augmentation import random_shift
from utils.training.muon import Muon

OPTIMIZERS = ("adamw", "sgd", "muon")
MOMENTUM = 0.9  # of "sgd", in Nesterov's form
LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "accumulation": 1,
    "weight_decay": 0,
    "warm_up": 0,
    "label_smoothing": 0,
    "shift": 0,
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: an optimizer whose learning rate goes through one cycle.

    Args:
        epochs: passes over the training images, 1 or more.
        batch_size: images per step, 1 or more.
        learning_rate: the peak of the cycle, above 0.
        weight_decay: 0 or more; decoupled from the gradient in "adamw", part of it in "sgd".
        warm_up: share of the steps in which the rate rises to its peak, in 0...1.
        optimizer: one of `OPTIMIZERS`.
        label_smoothing: share of the target that is spread over all classes, in 0...1.
        shift: augmentation: each image moves by up to this many pixels in each direction; 0 or more.
        accumulation: parts of a batch that pass one after the other, for less memory; divides `batch_size`.
        clip_norm: a gradient longer than this is shortened to it, above 0.

    Raises:
        ValueError: names the value that is out of its range.
    """

    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    warm_up: float = 0.3
    optimizer: str = "adamw"
    label_smoothing: float = 0.0
    shift: int = 0
    accumulation: int = 1
    clip_norm: float = math.inf

    def __post_init__(self):
        for name, bound in LEAST.items():
            if not getattr(self, name) >= bound:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be {bound} or more")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}; it has to be a number above 0")
        if not self.clip_norm > 0:
            raise ValueError(f"clip_norm is {self.clip_norm}; it has to be above 0, or inf for no clipping")
        for name in ("warm_up", "label_smoothing"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share, in 0...1")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}")
        if self.batch_size % self.accumulation:
            raise ValueError(
                f"accumulation is {self.accumulation}, which does not divide the batch size of "
                f"{self.batch_size}; choose a divisor, so that all parts are equally large"
            )

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """An optimizer over the parameters of `model`, at the peak learning rate."""
        if self.optimizer == "muon":
            return Muon(model, self.learning_rate, weight_decay=self.weight_decay)
        kind, options = {
            "adamw": (torch.optim.AdamW, {}),
            "sgd": (torch.optim.SGD, {"momentum": MOMENTUM, "nesterov": True}),
        }[self.optimizer]
        return kind(model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, **options)

    def one_cycle(self, step: int, steps: int) -> float:
        """Factor of the learning rate: linearly up to 1, then along half a cosine to 0 (Smith & Topin, 2018).

        Args:
            step: counts from 0.
            steps: of the whole run.
        """
        rise = max(1, round(self.warm_up * steps))
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / max(1, steps - rise)))

    def transform(self) -> Callable[[Tensor], Tensor] | None:
        """The augmentation of a batch of images, or None."""
        return partial(random_shift, pixels=self.shift) if self.shift else None

    def loss_function(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Cross-entropy of logits and labels, a mean over the images."""
        return nn.CrossEntropyLoss(label_smoothing=self.label_smoothing)


FOUNDATION = Recipe()  # what the book began with; chapter 2 measures what a search adds
COMMON = replace(FOUNDATION, label_smoothing=0.1, shift=1)  # what all trials of the search share
RECIPE = replace(  # the best of AdamW and SGD in book/search.csv, rounded
    COMMON, optimizer="sgd", learning_rate=0.6, weight_decay=3e-5, batch_size=64, warm_up=0.27
)
MUON = replace(  # by hand, before that search; what it buys and costs is a question of chapter 2
    COMMON, optimizer="muon", learning_rate=1.5e-2, weight_decay=5e-2, batch_size=64
)
