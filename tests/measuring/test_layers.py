"""Oracles: torch's own counter, a layer that sleeps."""

import time

import pytest
import torch
from torch import nn

from utils.measuring import by_layer, cost
from utils.models import ResNet


def test_layers_add_up_to_the_whole():
    model = ResNet(4).eval()
    example = torch.rand(3, 1, 28, 28)
    layers = by_layer(model, example, passes=2)
    whole = cost.measure(model, example, repeats=2)
    assert layers["macs"].sum() == whole.macs  # torch's own counter
    assert layers["parameters"].sum() == whole.parameters
    assert layers["layer"].iloc[0] == "stem.0"
    assert layers["output"].iloc[0] == "4x14x14"
    # the ReLU of a block is used twice, each time reading and writing 3 x 4 x 14 x 14 numbers
    relu = layers.set_index("layer").loc["stage1.relu"]
    assert relu["moved"] == 4 * 2 * 2 * 3 * 4 * 14 * 14


def test_layer_times_are_those_of_the_layers():
    class Sleeper(nn.Module):
        def forward(self, x):
            time.sleep(0.003)
            return x

    threads = torch.get_num_threads()
    layers = by_layer(nn.Sequential(Sleeper(), nn.Identity()).eval(), torch.rand(1, 1), passes=5)
    assert torch.get_num_threads() == threads
    assert 3 <= layers["ms"][0] < 6
    assert layers["ms"][1] < 1
    with pytest.raises(ValueError, match="eval"):
        by_layer(nn.Identity(), torch.rand(1, 1))
