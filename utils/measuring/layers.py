"""What each layer of a network costs: parameters, MACs, bytes moved, time."""

import time
from collections import defaultdict

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from utils.measuring.cost import WARM_UP


def by_layer(model: nn.Module, example: Tensor, *, passes: int = 20, threads: int = 1) -> pd.DataFrame:
    """Say what each layer of `model` costs.

    Args:
        model: on the CPU, in eval mode.
        example: `[N, C, H, W]` float32.
        passes: timed passes, after 10 that are not counted.
        threads: torch's threads while timing.

    Returns:
        A row per layer without layers of its own, in the order of their first use: `layer`, `kind` (the
        class), `output` (shape per image), `parameters`, `macs` per image, `moved` (bytes read and written
        for the batch, if nothing stays in a cache) and `ms` for the batch (median).

    Raises:
        ValueError: if the model is in training mode.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    calls: dict[str, list] = defaultdict(list)
    started: dict[str, float] = {}
    hooks = []
    for name, layer in model.named_modules():
        if not list(layer.children()):
            hooks += _watch(name, layer, started, calls)
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    with torch.no_grad():
        for _ in range(WARM_UP):
            model(example)
        calls.clear()
        for _ in range(passes):
            model(example)
    torch.set_num_threads(usual)
    for hook in hooks:
        hook.remove()
    return pd.DataFrame(
        [_layer_row(name, model.get_submodule(name), log, passes) for name, log in calls.items()]
    )


def _watch(name: str, layer: nn.Module, started: dict[str, float], calls: dict[str, list]) -> list:
    def before(*_):
        started[name] = time.perf_counter()

    def after(_, inputs, output):
        calls[name].append((time.perf_counter() - started[name], inputs[0].numel(), output.shape))

    return [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]


def _layer_row(name: str, layer: nn.Module, calls: list, passes: int) -> dict:
    _, inputs, shape = calls[-1]
    parameters = sum(p.numel() for p in layer.parameters())
    repeats = len(calls) / passes  # a residual block uses its one ReLU twice
    multiplies = isinstance(layer, nn.Conv2d | nn.Linear)
    return {
        "layer": name,
        "kind": type(layer).__name__,
        "output": "x".join(map(str, shape[1:])),
        "parameters": parameters,
        "macs": shape[1:].numel() * layer.weight[0].numel() if multiplies else 0,
        "moved": 4 * int(repeats * (inputs + shape.numel() + parameters)),
        "ms": 1e3 * repeats * float(np.median([seconds for seconds, *_ in calls])),
    }
