"""Weights that several layers of an ONNX file share, made ready for the dynamic quantizer."""

from collections import Counter
from pathlib import Path

import onnx
from onnx.numpy_helper import from_array, to_array


def turn_shared_weights(path: Path) -> None:
    """Turn those weights once, in the file, that several linear layers share.

    The dynamic quantizer turns the weight of each `Gemm` where it stands, as if nothing else read it
    (`replace_gemm_with_matmul` of ONNX Runtime 1.31). What two layers share would be turned twice, and so not
    at all. The exporter also lets layers share that have equal weights, as those of a new
    `nn.TransformerEncoder` do.

    Args:
        path: of the file; a file without such weights stays as it is, to the byte.
    """
    model = onnx.load(path)
    weights = {item.name: item for item in model.graph.initializer}
    readers = Counter(name for node in model.graph.node for name in node.input)
    turned = {}
    for node in model.graph.node:
        by_name = {item.name: item for item in node.attribute}
        if node.op_type == "Gemm" and "transB" in by_name and by_name["transB"].i:
            name = node.input[1]
            if name in weights and readers[name] > 1:
                node.input[1], by_name["transB"].i = f"{name}_turned", 0
                turned[name] = from_array(to_array(weights[name]).T.copy(), f"{name}_turned")
    if turned:
        still_read = {name for node in model.graph.node for name in node.input}
        kept = [item for name, item in weights.items() if name not in turned or name in still_read]
        del model.graph.initializer[:]
        model.graph.initializer.extend([*kept, *turned.values()])
        onnx.save(model, path)
