"""torch's counter of multiplications, with fused operations taken apart so that none is missed."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@contextmanager
def counted(model: Callable) -> Iterator[FlopCounterMode]:
    """Count what passes of `model` multiply, while the block runs.

    On a CPU torch's counter does not know attention in one piece, encoder layers in one piece, and LSTMs,
    so these run as the matrix products that they are made of.

    Args:
        model: what will be called in the block; its layers say what has to be taken apart.

    Returns:
        The counter; `get_total_flops()` counts a multiplication and an addition apart.
    """
    layers = model.modules() if isinstance(model, nn.Module) else ()
    recurrent = any(isinstance(layer, nn.RNNBase) for layer in layers)
    one_by_one = torch.backends.mkldnn.flags(enabled=False) if recurrent else nullcontext()
    usual = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "TF32 acceleration")  # of Intel's GPUs; the flags ask for none
            with one_by_one, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
                yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(usual)
