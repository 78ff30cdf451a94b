"""A trained network outside PyTorch: exported to ONNX and run by ONNX Runtime."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.utils._pytree import tree_leaves

TOLERANCE = 0.01  # of the largest number: float32 differs by 1e-6, float16 by 1e-3


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write `model` as an ONNX file.

    Args:
        model: on the CPU, in eval mode.
        example: `[N, C, H, W]` float32 with N of 2 or more; the exported network takes any batch size.
        path: of the new file; nothing is written where the export fails.

    Raises:
        ValueError: if the model is in training mode, if the example is a single image, from which the
            exporter would conclude that the batch size is always 1, if the model works only for the
            example's batch size, or if the file would not do what the model does.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    if len(example) < 2:
        raise ValueError(
            f"the example has {len(example)} image; give 2 or more, so that any batch size is exported"
        )
    name, more = type(model).__name__, torch.cat([example, example[:1]])
    wanted = _first_result(model, example)
    wanted_of_more = _result_of_more(model, more, wanted)
    shapes = ({0: torch.export.Dim("batch")},)
    options = {"dynamo": True, "dynamic_shapes": shapes, "external_data": False, "verbose": False}
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(model, (example,), fresh, **options)
        except torch.onnx.OnnxExporterError as error:
            raise ValueError(f"{name} cannot be exported: {_reason(error)}; nothing was written") from error
        if fault := _fault(fresh, example, wanted):
            raise ValueError(f"{name} cannot be exported: {fault}; nothing was written")
        if _fault(fresh, more, wanted_of_more):
            raise _one_number_only(name, len(example))
        shutil.move(fresh, path)


@torch.no_grad()
def _first_result(model: nn.Module, images: Tensor) -> Tensor:
    """What `open_session` gives of a network: the first of its results."""
    leaves = tree_leaves(model(images.clone()))  # of a copy: some networks change their images
    return next(leaf for leaf in leaves if isinstance(leaf, Tensor))


def _result_of_more(model: nn.Module, images: Tensor, result_of_example: Tensor) -> Tensor:
    """The result for one image more than the example has."""
    try:
        result = _first_result(model, images)
    except Exception as error:  # whatever a layer raises on a shape that it does not take
        raise _one_number_only(type(model).__name__, len(images) - 1) from error
    if result_of_example.shape[:1] == (len(images) - 1,) and result.shape[:1] != (len(images),):
        raise _one_number_only(type(model).__name__, len(images) - 1)
    return result


def _one_number_only(name: str, count: int) -> ValueError:
    return ValueError(
        f"{name} works for {count} images, the example's number, but not for {count + 1}; nothing was "
        "written; take the batch size in its forward from the images, as in x.flatten(1) or x.shape[0], not "
        "by len(x)"
    )


def _fault(path: Path, images: Tensor, wanted: Tensor) -> str:
    """What is wrong with a file, in words; empty if it gives what is wanted."""
    try:
        found = open_session(path)(images.clone())
    except Exception as error:  # ONNX Runtime has a kind for each of its codes
        return f"ONNX Runtime does not run the file ({first_line(error)})"
    largest = wanted.float().nan_to_num(posinf=0, neginf=0).abs().max().item()
    options = {"rtol": 0, "atol": TOLERANCE * largest, "equal_nan": True}
    if found.shape == wanted.shape and torch.allclose(found.float(), wanted.float(), **options):
        return ""
    return "the file gives other numbers than the network"


def _reason(error: BaseException) -> str:
    """Why an export failed: torch says it in its first words, below many others."""
    while error.__cause__:
        error = error.__cause__
    if isinstance(error, GuardOnDataDependentSymNode):
        return "what it computes is decided by values of its images, and a file has one way for all"
    return first_line(error)


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return str(error).strip().partition("\n")[0]


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
