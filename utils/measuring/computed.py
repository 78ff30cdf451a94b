"""Weights that a layer computes anew in every pass: torch's pruning, weight norm, any parametrization."""

from torch import Tensor, nn
from torch.nn.utils import parametrize


def source(layer: nn.Module, name: str = "weight") -> str:
    """What a layer computes one of its tensors from, in words; empty if it is a parameter or buffer.

    Args:
        layer: may be pruned by `torch.nn.utils.prune`, parametrized, or have a weight or spectral norm.
        name: of the tensor.
    """
    if parametrize.is_parametrized(layer, name):
        return " and ".join(type(step).__name__ for step in layer.parametrizations[name])
    if isinstance(vars(layer).get(name), Tensor):
        return " and ".join(_parts(layer, name))
    return ""


def check_plain(layer: nn.Module, where: str) -> None:
    """Refuse a layer whose weight is computed in every pass: what is written into it would not last.

    Args:
        layer: any.
        where: its name, for the message.

    Raises:
        ValueError: if the weight is computed.
    """
    if origin := source(layer):
        raise ValueError(
            f"the weight of {where!r} is computed in every pass, from {origin}; make it a plain weight "
            "first, by torch.nn.utils.prune.remove or parametrize.remove_parametrizations"
        )


def check_own_weights(network: nn.Module, *, groups: bool = True) -> None:
    """Refuse a network in which a weight is computed in every pass, or is that of two layers.

    Args:
        network: to be scored or rounded, one layer with its weight after the other.
        groups: False refuses convolutions with groups as well.

    Raises:
        ValueError: with the names of the layers.
    """
    owners: dict[int, str] = {}
    for name, layer in network.named_modules():
        if "parametrizations" in name.split("."):
            continue
        check_plain(layer, name)
        if not groups and getattr(layer, "groups", 1) > 1 and isinstance(layer, nn.Conv2d):
            raise ValueError(f"{name!r} has {layer.groups} groups, which are not supported here")
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Tensor) and owners.setdefault(id(weight), name) != name:
            raise ValueError(
                f"{owners[id(weight)]!r} and {name!r} share a weight, which is not supported here: what one "
                "layer sees says too little about it; give each a weight of its own"
            )


def tensors_in_use(network: nn.Module) -> list[Tensor]:
    """What a network multiplies and adds: its parameters, each once, with computed ones as computed."""
    found: dict[int, Tensor] = {}
    for path, layer in network.named_modules():
        if "parametrizations" in path.split("."):
            continue
        names = [*vars(layer), *getattr(layer, "parametrizations", ())]
        computed = [name for name in names if source(layer, name)]
        parts = {part for name in computed for part in _parts(layer, name)}
        plain = [tensor for name, tensor in layer.named_parameters(recurse=False) if name not in parts]
        for tensor in (*plain, *(getattr(layer, name) for name in computed)):
            found.setdefault(id(tensor), tensor)
    return list(found.values())


def _parts(layer: nn.Module, name: str) -> list[str]:
    """The parameters that a hook computes `name` from: `weight_orig`, or `weight_g` and `weight_v`."""
    return [part for part, _ in layer.named_parameters(recurse=False) if part.startswith(f"{name}_")]
