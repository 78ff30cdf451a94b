"""Whether ONNX Runtime's int8 kernels are exact on this processor, and a runtime that is exact on any.

On x86 without VNNI they add pairs of products of bytes in 16 bits, where they may not fit: the same file then
gives other logits. What is in a file is tested by the reference evaluator of ONNX there.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from utils.files.deployment import open_session


def are_exact():
    """Let the runtime add four products of 255 and 127."""
    left = helper.make_tensor_value_info("left", TensorProto.UINT8, [1, 4])
    right = helper.make_tensor("right", TensorProto.INT8, [4, 1], [127] * 4)
    total = helper.make_tensor_value_info("total", TensorProto.INT32, [1, 1])
    node = helper.make_node("MatMulInteger", ["left", "right"], ["total"])
    graph = helper.make_graph([node], "sum", [left], [total], [right])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"left": np.full((1, 4), 255, np.uint8)})
    return found.item() == 4 * 255 * 127


EXACT = are_exact()

needs_exact_kernels = pytest.mark.skipif(
    not EXACT,
    reason="without VNNI, ONNX Runtime adds pairs of products of bytes in 16 bits, where they may not fit",
)


def by_reference(path):
    """A function from images to logits, by the definitions of the operators."""
    evaluator = ReferenceEvaluator(str(path))
    (name,) = evaluator.input_names
    return lambda images: torch.from_numpy(evaluator.run(None, {name: images.numpy()})[0])


def holds_bytes(path):
    """Whether a weight of the file is stored in 8 bits, so that the runtime computes in integers."""
    weights = onnx.load(path).graph.initializer
    return any(weight.data_type in (TensorProto.INT8, TensorProto.UINT8) for weight in weights)


def error(path, images, network):
    """Relative error of a file's logits; the runtime computes them wherever its kernels are exact."""
    run = by_reference(path) if holds_bytes(path) and not EXACT else open_session(path)
    with torch.no_grad():
        wanted = network(images)
    return ((run(images) - wanted).norm() / wanted.norm()).item()
