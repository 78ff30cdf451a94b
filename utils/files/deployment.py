"""A trained network outside PyTorch: exported to ONNX and run by ONNX Runtime."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor, nn


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write `model` as an ONNX file.

    Args:
        model: on the CPU, in eval mode.
        example: `[N, C, H, W]` float32 with N of 2 or more; the exported network takes any batch size.
        path: of the new file; nothing is written where the export fails.

    Raises:
        ValueError: if the model is in training mode, if the example is a single image, from which the
            exporter would conclude that the batch size is always 1, or if the model works only for the
            example's batch size.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    if len(example) < 2:
        raise ValueError(
            f"the example has {len(example)} image; give 2 or more, so that any batch size is exported"
        )
    shapes = ({0: torch.export.Dim("batch")},)
    options = {"dynamo": True, "dynamic_shapes": shapes, "external_data": False, "verbose": False}
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "model.onnx"
        torch.onnx.export(model, (example,), fresh, **options)
        if not onnx.load(fresh).graph.input[0].type.tensor_type.shape.dim[0].dim_param:
            raise ValueError(
                f"{type(model).__name__} works for {len(example)} images only, the example's number; nothing "
                "was written; take the batch size in its forward from the images, as in x.flatten(1)"
            )
        shutil.move(fresh, path)


def open_session(path: Path, *, threads: int = 1) -> Callable[[Tensor], Tensor]:
    """Open an ONNX file in ONNX Runtime on the CPU.

    Args:
        path: of a network with one input and one output.
        threads: of ONNX Runtime; torch's own setting does not reach it.

    Returns:
        A function from images `[N, C, H, W]` to logits `[N, num_classes]`, to be timed by `cost.compare`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: torch.from_numpy(session.run(None, {name: images.numpy()})[0])


def to_onnx_runtime(model: nn.Module, example: Tensor, *, threads: int = 1) -> Callable[[Tensor], Tensor]:
    """Export `model` and open it in ONNX Runtime, without a file that stays; see `export`, `open_session`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(model, example, path)
        return open_session(path, threads=threads)
