"""Int8 networks in ONNX Runtime: the files, and what happens between their layers."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quant_pre_process,
    quantize_dynamic,
    quantize_static,
)
from torch import Tensor, nn

from utils.files.deployment import export, first_line, open_session
from utils.files.shared_weights import turn_shared_weights

BATCH = 32  # images for one calibration pass
TYPES = {torch.float32: "tensor(float)", torch.float16: "tensor(float16)"}


class Step(NamedTuple):
    """A layer of a graph: its kind, the names of its inputs and of its output, and its options."""

    kind: str
    inputs: list[str]
    output: str
    options: dict


class Graph(NamedTuple):
    """A network as ONNX Runtime runs it: the model, its constants by name, and its steps in order.

    The first step takes the images, the last one gives the logits.
    """

    model: onnx.ModelProto
    constants: dict[str, np.ndarray]
    steps: list[Step]


class _Batches(CalibrationDataReader):
    def __init__(self, name: str, images: Tensor):
        self.batches = iter([{name: batch.numpy()} for batch in images.split(BATCH)])

    def get_next(self) -> dict | None:
        return next(self.batches, None)


def to_int8(source: Path, target: Path, images: Tensor) -> None:
    """Quantize a file's weights and activations to 8 bits, with ranges fixed beforehand.

    Weights get a scale for each filter and the zero 0, activations a scale and a zero for each tensor, from
    the smallest to the largest value over `images`. Activations are unsigned: with signed ones ONNX Runtime
    leaves convolutions beside a shortcut in float32 on x86.

    Args:
        source: an ONNX file in float32.
        target: the new file; it names each tensor's scale and leaves the choice of kernels to the runtime.
        images: `[N, C, H, W]` float32, without labels, 1 or more.

    Raises:
        ValueError: if there are no images, if they are not finite or not what the file takes, if the file is
            quantized already, or if ONNX Runtime cannot quantize it.
    """
    if not len(images):
        raise ValueError("the calibration set is empty; give 1 image or more")
    if not images.isfinite().all():
        raise ValueError("the calibration images hold NaN or inf, which give no range; leave them out")
    _check_float(source)
    name = _check_input(source, images)

    def quantize(ready: Path, fresh: Path) -> None:
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(ready, fresh, _Batches(name, images), per_channel=True, **kinds)
        open_session(fresh)(images[:1])

    _write(source, target, quantize)


def to_dynamic(source: Path, target: Path) -> None:
    """Quantize a file's weights to 8 bits; activations are measured and quantized in every pass.

    Args:
        source: an ONNX file in float32.
        target: the new file.

    Raises:
        ValueError: if the file is quantized already, or if ONNX Runtime cannot quantize it.
    """
    _check_float(source)

    def quantize(ready: Path, fresh: Path) -> None:
        turn_shared_weights(ready)
        quantize_dynamic(ready, fresh)
        open_session(fresh)

    _write(source, target, quantize)


def _write(source: Path, target: Path, quantize: Callable[[Path, Path], None]) -> None:
    """Write a file by `quantize(prepared source, new file)`; nothing is written where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        ready, fresh = Path(folder) / "ready.onnx", Path(folder) / "fresh.onnx"
        try:
            quant_pre_process(source, ready)
            quantize(ready, fresh)
        except Exception as error:  # the tools raise whatever numpy, onnx or the runtime raise within them
            raise ValueError(
                f"ONNX Runtime cannot quantize {source} ({first_line(error)}); nothing was written; leave "
                "this network in float32"
            ) from error
        shutil.move(fresh, target)


def _check_float(source: Path) -> None:
    kinds = {node.op_type for node in onnx.load(source).graph.node}
    integer = sorted(kind for kind in kinds if "Quantize" in kind or "Integer" in kind or "QLinear" in kind)
    if integer:
        raise ValueError(f"{source} is quantized already ({', '.join(integer)}); give the file in float32")


def _check_input(source: Path, images: Tensor) -> str:
    """The name of a file's input, if that takes the images."""
    inputs = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).get_inputs()
    if len(inputs) > 1:
        raise ValueError(f"{source} takes {len(inputs)} inputs; networks with one are supported")
    wanted, kind = inputs[0].shape, inputs[0].type
    if isinstance(wanted[0], int):
        raise ValueError(f"{source} takes {wanted[0]} images at a time; export it for any number of images")
    given = list(images.shape)
    unlike = [size for size, own in zip(wanted, given, strict=False) if isinstance(size, int) and size != own]
    if len(wanted) != len(given) or unlike or TYPES.get(images.dtype) != kind:
        raise ValueError(
            f"the calibration images are {given} in {images.dtype}, and {source} takes {wanted} as {kind}"
        )
    return inputs[0].name


def write_files(network: nn.Module, images: Tensor, folder: Path | None = None) -> dict[str, Path]:
    """Write a network as "float32", as "int8" (see `to_int8`) and as "dynamic" (see `to_dynamic`).

    Args:
        network: on the CPU, in eval mode.
        images: `[N, C, H, W]` float32 for calibration, without labels, 2 or more.
        folder: of the new files, made where it is not there; by default a new temporary one.

    Returns:
        Kind to path.
    """
    folder = folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{kind}.onnx" for kind in ("float32", "int8", "dynamic")}
    export(network, images[:2], paths["float32"])
    to_int8(paths["float32"], paths["int8"], images)
    to_dynamic(paths["float32"], paths["dynamic"])
    return paths


def integer_graph(path: Path) -> Graph:
    """What ONNX Runtime makes of an int8 file: its fused layers, with the result of each as an output."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "fused.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        model = onnx.load(options.optimized_model_filepath)
    for node in model.graph.node[:-1]:
        model.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    constants = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    return Graph(model, constants, [_step(node) for node in model.graph.node])


def _step(node: onnx.NodeProto) -> Step:
    options = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    return Step(node.op_type, [name for name in node.input if name], node.output[0], options)


def results(graph: Graph, images: Tensor) -> dict[str, np.ndarray]:
    """Run a graph as it stands.

    Args:
        graph: of `integer_graph`.
        images: `[N, C, H, W]` float32.

    Returns:
        The name of each step's output to its value: integers between the layers, float32 logits at the end.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        graph.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {session.get_inputs()[0].name: images.numpy()})
    return dict(zip(names, values, strict=True))
