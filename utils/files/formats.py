"""Number formats of 8 and 16 bits, drawn as number lines."""

import torch
from matplotlib.axes import Axes
from torch import Tensor

FLOATS = {
    "fp8 e4m3": torch.float8_e4m3fn,
    "fp8 e5m2": torch.float8_e5m2,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def numbers(name: str) -> Tensor:
    """All finite numbers of a format, sorted.

    Args:
        name: of `FLOATS`, or "int4" or "int8" for whole numbers on a symmetric grid whose largest is 1.

    Returns:
        `[K]` float32.

    Raises:
        ValueError: if the name is unknown.
    """
    if name in ("int4", "int8"):
        most = 2 ** (int(name[3:]) - 1) - 1
        return torch.arange(-most, most + 1) / most
    if name not in FLOATS:
        raise ValueError(f"the format {name!r} is unknown; choose int4, int8 or one of {', '.join(FLOATS)}")
    dtype = FLOATS[name]
    if dtype.itemsize == 1:
        values = torch.arange(256).to(torch.uint8).view(dtype).float()
    else:
        values = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype).float()
    return values[values.isfinite()].unique()


def draw(axis: Axes, names: list[str], least: float, most: float) -> None:
    """Draw a line for each format, the first on top, with a tick at each of its numbers in `least...most`."""
    for i, name in enumerate(names):
        values = numbers(name)
        values = values[(values >= least) & (values <= most)]
        axis.eventplot(values.numpy(), lineoffsets=i, linelengths=0.7, linewidths=0.8, colors=f"C{i}")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlim=(least, most), ylim=(len(names) - 0.5, -0.5))
    axis.grid(False)
