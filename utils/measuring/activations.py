"""What goes into each layer of a network while images pass through it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Inputs(dict):
    def __missing__(self, name):
        raise ValueError(
            f"{name!r} did not run as a layer in this pass, so its inputs are unknown: it is not used, "
            "or the layer around it uses its weight by itself"
        )


@torch.no_grad()
def layer_inputs(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Run `model` once over all `images` and keep what every layer sees.

    Args:
        model: in eval mode.
        images: `[N, C, H, W]`, few enough for one pass: all inputs are held in memory.

    Returns:
        Name to input, in the order of first use, for every layer without layers of its own:
        `[N, C, H, W]`, or `[N, C]` where positions are gone. A layer without parameters that runs twice
        keeps its last input. A name that did not run is refused by a ValueError when it is looked up.

    Raises:
        ValueError: if the model is in training mode, where the batch norms would change by looking, or if a
            layer with parameters runs twice, so that its inputs are more than one.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    found: dict[str, Tensor] = _Inputs()
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


def patches(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """What each output of a convolution is computed from, with whatever padding, stride and dilation it has.

    Args:
        layer: its groups are left out of account: the patches hold all channels.
        x: `[N, C, H, W]`, its input.

    Returns:
        `[N, C * kernel height * kernel width, positions]`, channel by channel.
    """
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(x, _sides(layer), mode=mode)
    return F.unfold(padded, layer.kernel_size, dilation=layer.dilation, stride=layer.stride)


def squared_inputs(layer: nn.Module, x: Tensor) -> Tensor:
    """The squares of what each weight multiplies, summed over images and positions.

    Args:
        layer: a convolution, in which an input counts for each patch that it is part of, or a linear layer.
        x: its input, `[N, C, H, W]` or `[..., C]`.

    Returns:
        In the shape of the weight, but with one row where all rows see the same.
    """
    if not isinstance(layer, nn.Conv2d):
        return x.flatten(0, -2).square().sum(0, keepdim=True)
    squares = patches(layer, x.square().sum(0, keepdim=True)).sum(2)
    if layer.groups > 1:  # a filter sees the channels of its group
        squares = squares.view(layer.groups, -1).repeat_interleave(len(layer.weight) // layer.groups, 0)
    return squares.view(-1, *layer.weight.shape[1:])


def _sides(layer: nn.Conv2d) -> list[int]:
    """The padding to the left, right, top and bottom of a convolution's input."""
    sides = []
    for i in (1, 0):  # width first, as F.pad takes it
        whole = layer.dilation[i] * (layer.kernel_size[i] - 1)
        if layer.padding == "same":
            sides += [whole // 2, whole - whole // 2]
        elif layer.padding == "valid":
            sides += [0, 0]
        else:
            sides += [layer.padding[i]] * 2
    return sides


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
    def hook(layer, inputs):
        if name in found and any(True for _ in layer.parameters()):
            raise ValueError(
                f"{name!r} runs more than once in a pass, and its inputs are not kept apart; "
                "give each use a layer of its own"
            )
        if inputs and isinstance(inputs[0], Tensor):  # else its arguments have names, or it takes none
            found[name] = inputs[0].clone()  # a layer that works in place would change it

    return hook
