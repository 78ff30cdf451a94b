"""What networks do and cost; depends on data."""

from utils.measuring import cost, evaluation
from utils.measuring.activations import layer_inputs, patches, pooled_inputs, squared_inputs
from utils.measuring.computed import check_own_weights
from utils.measuring.layers import by_layer

__all__ = [
    "by_layer",
    "check_own_weights",
    "cost",
    "evaluation",
    "layer_inputs",
    "patches",
    "pooled_inputs",
    "squared_inputs",
]
