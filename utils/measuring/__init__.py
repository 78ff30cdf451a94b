"""What networks do and cost; depends on data."""

from utils.measuring import cost, evaluation
from utils.measuring.activations import layer_inputs, pooled_inputs
from utils.measuring.layers import by_layer

__all__ = ["by_layer", "cost", "evaluation", "layer_inputs", "pooled_inputs"]
