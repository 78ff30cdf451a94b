"""Weights that are held at 0 by masks, also while a network is trained."""

import copy
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from utils.data.splits import Dataset
from utils.measuring.computed import check_plain
from utils.training.loop import fit
from utils.training.recipe import Recipe

Masks = Mapping[str, Tensor]


@torch.no_grad()
def apply_masks(network: nn.Module, masks: Masks) -> nn.Module:
    """Set to 0 the weights where a mask is False, in place.

    Args:
        network: has a layer of each name.
        masks: name of a layer to a mask `[...]`, bool, in the shape of the layer's weight.

    Returns:
        The same `network`.

    Raises:
        ValueError: if a mask has no layer, or another shape than its weight, or if the weight is computed
            in every pass (by torch's own pruning or a parametrization), so that zeros would not last.
    """
    layers = dict(network.named_modules())
    for name, mask in masks.items():
        if not isinstance(getattr(layers.get(name), "weight", None), Tensor):
            raise ValueError(f"there is a mask for {name!r}, but no layer of that name with a weight")
        check_plain(layers[name], name)
        weight = layers[name].weight
        if mask.shape != weight.shape:
            raise ValueError(
                f"the mask of {name!r} has the shape {tuple(mask.shape)}, its weight {tuple(weight.shape)}; "
                "make the masks from this network's own weights"
            )
        weight.mul_(mask)
    return network


def masked(network: nn.Module, masks: Masks) -> nn.Module:
    """A copy of `network` with its masked weights at 0; see `apply_masks`."""
    _check_copyable(network)
    return apply_masks(copy.deepcopy(network), masks)


def train_masked(
    network: nn.Module,
    data: Dataset,
    masks_at: Callable[[nn.Module, float], Masks],
    *,
    seed: int,
    recipe: Recipe,
    every: int = 8,
    **options: Any,
) -> nn.Module:
    """Train a copy whose masks change on the way, as in gradual pruning (Zhu & Gupta, 2018).

    Args:
        network: stays as it is.
        data: as for `fit`.
        masks_at: called as `masks_at(copy, progress)` before the first step and after every few steps, with
            the progress in 0...1; its masks hold until the next call. A layer without one is trained freely.
        seed: as for `fit`.
        recipe: as for `fit`.
        every: steps between two calls.
        options: passed on to `fit`, such as a `loss_function`; the optimizer is the recipe's.

    Returns:
        The trained copy, in eval mode, with its masked weights at 0.

    Raises:
        ValueError: before the first step, as `apply_masks` does.
    """
    _check_copyable(network)
    network, masks, count = copy.deepcopy(network), {}, itertools.count()
    optimizer = recipe.make_optimizer(network)
    steps = recipe.epochs * math.ceil(len(data.train) / recipe.batch_size)

    def hold(*_):
        step = next(count)
        if step % every == 0:
            masks.update(masks_at(network, step / steps))
        apply_masks(network, masks)

    hold()
    optimizer.register_step_post_hook(hold)
    fit(network, data, seed=seed, recipe=recipe, optimizer=optimizer, **options)
    return network


def _check_copyable(network: nn.Module) -> None:
    """Refuse what hooks compute in every pass, as torch's own pruning does: such a network has no copy."""
    for name, layer in network.named_modules():
        if not parametrize.is_parametrized(layer):
            check_plain(layer, name)
