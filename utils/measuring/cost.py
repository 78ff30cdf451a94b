"""What a network costs: parameters, multiply-accumulates, bytes on disk, and measured latency."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from utils.measuring.computed import tensors_in_use
from utils.measuring.counting import counted

WARM_UP = 10  # passes before the clock counts: allocations, caches, kernel choices


@dataclass(frozen=True)
class Latency:
    """Times of single forward passes.

    Args:
        times: `[repeats]` milliseconds, in the order they were taken.
        batch_size: images per pass.
    """

    times: np.ndarray
    batch_size: int

    @property
    def p50(self) -> float:
        """Median, in milliseconds per batch."""
        return float(np.percentile(self.times, 50))

    @property
    def p95(self) -> float:
        """95th percentile, in milliseconds per batch."""
        return float(np.percentile(self.times, 95))


@dataclass(frozen=True)
class Cost:
    """What `measure` found: counts, bytes, MACs per image and latency per batch."""

    parameters: int
    nonzeros: int
    macs: int
    bytes: int
    latency: Latency


@dataclass(frozen=True)
class Comparison:
    """Interleaved timings of several networks, the first of which is the baseline."""

    latencies: dict[str, Latency]

    def speed_up(self, name: str) -> tuple[float, float, float]:
        """Latency of the baseline / latency of `name`, pass by pass.

        Returns:
            The median ratio with its quartiles: (median, 25th, 75th percentile). Above 1 is faster.

        Raises:
            ValueError: if `name` was not timed.
        """
        if name not in self.latencies:
            raise ValueError(f"{name!r} was not timed; these were: {', '.join(self.latencies)}")
        baseline = next(iter(self.latencies.values()))
        ratios = baseline.times / self.latencies[name].times
        median, low, high = np.percentile(ratios, [50, 25, 75])
        return float(median), float(low), float(high)


def measure(model: nn.Module, example: Tensor, *, repeats: int = 50, threads: int = 1) -> Cost:
    """Count and time `model`.

    Args:
        model: in eval mode.
        example: `[N, C, H, W]` float32, on the device to time; MACs are per image, latency per batch.
        repeats: timed passes.
        threads: torch's threads while timing.

    Returns:
        Cost. Shared parameters count once. A weight that is pruned by torch, or parametrized, counts among
        the parameters with what it is computed from, and among the nonzeros as it is computed.

    Raises:
        ValueError: if the model is in training mode.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    products = macs(model, example[:1])  # first: a pass renews the weights that torch's pruning computes
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        nonzeros=sum(int(tensor.count_nonzero()) for tensor in tensors_in_use(model)),
        macs=products,
        bytes=file_bytes(model),
        latency=latency(model, example, repeats=repeats, threads=threads),
    )


@torch.no_grad()
def macs(model: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates of the convolutions and matrix products in one pass over `example`.

    torch's counter counts a multiplication and an addition apart, so its figure is halved. Additions,
    activations, batch norm and pooling are not counted, as is usual.
    """
    with counted(model) as counter:
        model(example)
    return counter.get_total_flops() // 2


def file_bytes(model: nn.Module) -> int:
    """Bytes of the safetensors file that holds all parameters and buffers, shared ones once."""
    stored = {}
    for name, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else name
        stored.setdefault(place, (name, tensor))
    return len(save({name: tensor.clone().contiguous() for name, tensor in stored.values()}))


def latency(model: Callable, example: Tensor, *, repeats: int = 50, threads: int = 1) -> Latency:
    """Time single forward passes of `model` on `example`.

    Args:
        model: called as `model(example)`; a module has to be in eval mode.
        example: `[N, C, H, W]` float32, on the device to time.
        repeats: timed passes, after 10 that are not counted.
        threads: torch's threads; an ONNX Runtime session has a setting of its own.

    Returns:
        Latency with `p50` and `p95` in milliseconds per batch.

    Raises:
        ValueError: if the model is in training mode, where batch norm and dropout would be timed as well.
    """
    return compare({"model": model}, example, repeats=repeats, threads=threads).latencies["model"]


@torch.no_grad()
def compare(
    models: Mapping[str, Callable], example: Tensor, *, repeats: int = 50, threads: int = 1
) -> Comparison:
    """Time several networks in turn, one pass each, so that a slow moment of the machine hits all alike.

    Args:
        models: name to callable; the first is the baseline of the ratios.
        example: `[N, C, H, W]` float32, given to each of them.
        repeats: rounds, after 10 passes of each that are not counted.
        threads: torch's threads while timing.

    Raises:
        ValueError: if there is no model, fewer than 2 repeats, or one is in training mode.
    """
    if not models or repeats < 2:
        raise ValueError(
            f"{len(models)} models and {repeats} repeats; it takes 1 model and 2 repeats or more"
        )
    for name, model in models.items():
        if getattr(model, "training", False):
            raise ValueError(f"{name!r} is in training mode: call model.eval() first")
    timers = {
        name: Timer("model(x)", globals={"model": model, "x": example}, num_threads=threads)
        for name, model in models.items()
    }
    for timer in timers.values():
        timer.timeit(WARM_UP)
    times = {name: np.empty(repeats) for name in timers}
    order = list(timers)
    for i in range(repeats):
        for name in order:
            times[name][i] = 1e3 * timers[name].timeit(1).median  # its own 2 passes first warm the caches
        order.append(order.pop(0))  # nobody always comes first
    return Comparison({name: Latency(t, len(example)) for name, t in times.items()})
