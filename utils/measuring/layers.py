"""What each layer of a network costs: parameters, MACs, bytes moved, time."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from utils.measuring.cost import WARM_UP
from utils.measuring.counting import counted


class _Use(NamedTuple):
    """One use of a layer: what a reading rose by, bytes that went in and came out, and the output's shape."""

    rise: float
    moved: int
    shape: torch.Size


def by_layer(model: nn.Module, example: Tensor, *, passes: int = 20, threads: int = 1) -> pd.DataFrame:
    """Say what each layer of `model` costs, all its uses in a pass together.

    Args:
        model: on the CPU, in eval mode.
        example: `[N, C, H, W]` float32.
        passes: timed passes, after 10 that are not counted.
        threads: torch's threads while timing.

    Returns:
        A row for each layer without layers of its own, and for each other one that multiplies by itself, in
        the order of their first use: `layer`, `kind` (the class), `output` (shape per image, of the last
        use), `parameters` (shared ones where they are used first), `macs` per image (they add up to
        `cost.macs`), `moved` (bytes read and written for the batch, if nothing stays in a cache) and `ms`
        for the batch (median).

    Raises:
        ValueError: if the model is in training mode.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    macs = _macs(model, example[:1])
    names = [name for name in macs if macs[name] or _is_leaf(model.get_submodule(name))]
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad(), _watched(model, names, time.perf_counter) as uses:
            for _ in range(WARM_UP):
                model(example)
            uses.clear()
            for _ in range(passes):
                model(example)
    finally:
        torch.set_num_threads(usual)
    owned = _owned(model, uses)
    rows = [_row(model, name, log, owned[name], passes) | {"macs": macs[name]} for name, log in uses.items()]
    counted_once: set[int] = set()
    for row, parameters in zip(rows, owned.values(), strict=True):
        new = [p for p in parameters if id(p) not in counted_once]
        counted_once.update(map(id, new))
        row["parameters"] = sum(p.numel() for p in new)
    return pd.DataFrame(rows)


def _macs(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Name of each layer that runs to the MACs that it does itself, outside the layers within it."""
    names = [name for name, _ in model.named_modules() if "parametrizations" not in name.split(".")]
    with (
        torch.no_grad(),
        counted(model) as counter,
        _watched(model, names, counter.get_total_flops) as uses,
    ):
        model(example)
    return {name: sum(use.rise for use in log) // 2 for name, log in uses.items()}


def _is_leaf(layer: nn.Module) -> bool:
    return all(name == "parametrizations" for name, _ in layer.named_children())


@contextmanager
def _watched(model: nn.Module, names: Collection[str], reading: Callable) -> Iterator[dict[str, list[_Use]]]:
    """Log the uses of some layers, with the rise of `reading()` outside the watched layers within."""
    log: dict[str, list[_Use]] = {}
    running: list[list] = []  # of each layer that has begun: the reading then, and the rise within

    def before(name: str):
        log.setdefault(name, [])
        running.append([reading(), 0])

    def after(name: str, taken: tuple, given):
        end = reading()
        start, within = running.pop()
        if running:
            running[-1][1] += end - start
        given = _tensors(given)
        moved = sum(tensor.nbytes for tensor in [*_tensors(taken), *given])
        log[name].append(_Use(end - start - within, moved, given[0].shape if given else torch.Size()))

    hooks = []
    try:
        for name in names:
            layer = model.get_submodule(name)
            hooks.append(layer.register_forward_pre_hook(lambda *_, name=name: before(name)))
            hooks.append(
                layer.register_forward_hook(
                    lambda _, args, kwargs, output, name=name: after(name, (args, kwargs), output),
                    with_kwargs=True,
                )
            )
        yield log
    finally:
        for hook in hooks:
            hook.remove()


def _tensors(value) -> list[Tensor]:
    """The tensors in an argument or a result, each once."""
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return list({id(tensor): tensor for part in inner for tensor in _tensors(part)}.values())


def _owned(model: nn.Module, rows: Collection[str]) -> dict[str, list[Tensor]]:
    """The parameters of each row: its own, and those of layers within it that have no row."""
    owned: dict[str, list[Tensor]] = {name: [] for name in rows}
    for name, layer in model.named_modules():
        while name and name not in owned:
            name = name.rpartition(".")[0]
        if name in owned:
            owned[name] += layer.parameters(recurse=False)
    return owned


def _row(model: nn.Module, name: str, uses: list[_Use], parameters: list[Tensor], passes: int) -> dict:
    repeats = len(uses) / passes  # a residual block uses its one ReLU twice
    moved = sum(use.moved for use in uses) // passes + int(repeats * sum(p.nbytes for p in parameters))
    return {
        "layer": name,
        "kind": type(model.get_submodule(name)).__name__,
        "output": "x".join(map(str, uses[-1].shape[1:])),
        "parameters": 0,
        "macs": 0,
        "moved": moved,
        "ms": 1e3 * repeats * float(np.median([use.rise for use in uses])),
    }
