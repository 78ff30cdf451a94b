"""What goes into each layer of a network while images pass through it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def layer_inputs(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Run `model` once over all `images` and keep what every layer sees.

    Args:
        model: in eval mode.
        images: `[N, C, H, W]`, few enough for one pass: all inputs are held in memory.

    Returns:
        Name to input, in the order of first use, for every layer without layers of its own:
        `[N, C, H, W]`, or `[N, C]` where positions are gone. A layer that runs twice keeps its last input.

    Raises:
        ValueError: if the model is in training mode, where the batch norms would change by looking.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    found: dict[str, Tensor] = {}
    hooks = []
    for name, layer in model.named_modules():
        if not list(layer.children()):
            hooks.append(layer.register_forward_pre_hook(_keep(found, name)))
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def pooled_inputs(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """What some layers see, as a mean over positions.

    Args:
        model: as for `layer_inputs`.
        images: as for `layer_inputs`.
        layers: names.

    Returns:
        For each layer `[N, C]`.
    """
    inputs = layer_inputs(model, images)
    return [inputs[name].reshape(*inputs[name].shape[:2], -1).mean(2) for name in layers]


def _keep(found: dict[str, Tensor], name: str):
    def hook(_, inputs):
        found[name] = inputs[0].clone()  # a layer that works in place would change it

    return hook
