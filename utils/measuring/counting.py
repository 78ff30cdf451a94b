"""torch's counter of multiplications, with fused operations taken apart so that none is missed."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def _with_vector(matrix: torch.Size, vector: torch.Size, **_) -> int:
    return 2 * math.prod(matrix)


def _with_vector_added(total: torch.Size, matrix: torch.Size, vector: torch.Size, **_) -> int:
    return _with_vector(matrix, vector)


def _bilinear(left: torch.Size, weight: torch.Size, right: torch.Size, *_, **__) -> int:
    """Of x W y for each image and output: the product x W, and its product with y."""
    outputs, width, other_width = weight
    return 2 * left[0] * outputs * (width * other_width + other_width)


ATEN = torch.ops.aten
OTHERS = {  # multiplications that torch's counter passes over; it hands on the shapes
    ATEN.mv: _with_vector,
    ATEN.dot: _with_vector,
    ATEN.addmv: _with_vector_added,
    ATEN._trilinear: _bilinear,
}


@contextmanager
def counted(model: Callable) -> Iterator[FlopCounterMode]:
    """Count what passes of `model` multiply, while the block runs.

    On a CPU torch's counter does not know attention in one piece, encoder layers in one piece, and LSTMs,
    so these run as the matrix products that they are made of. Products with a vector, and bilinear layers,
    are counted here.

    Args:
        model: what will be called in the block; its layers say what has to be taken apart.

    Returns:
        The counter; `get_total_flops()` counts a multiplication and an addition apart.
    """
    layers = model.modules() if isinstance(model, nn.Module) else ()
    recurrent = any(isinstance(layer, nn.RNNBase) for layer in layers)
    one_by_one = torch.backends.mkldnn.flags(enabled=False) if recurrent else nullcontext()
    counter = FlopCounterMode(display=False, custom_mapping=OTHERS)
    usual = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "TF32 acceleration")  # of Intel's GPUs; the flags ask for none
            with one_by_one, sdpa_kernel(SDPBackend.MATH), counter:
                yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(usual)
