"""Oracles: torch's own counter, a clock that the test moves."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from utils.measuring import by_layer, cost
from utils.measuring import layers as layers_module
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


def test_layer_times_are_those_of_the_layers(monkeypatch):
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(layers_module, "time", clock)  # a busy machine does not make this one slower

    class Sleeper(nn.Module):
        def forward(self, x):
            clock.now += 0.003
            return x

    threads = torch.get_num_threads()
    layers = by_layer(nn.Sequential(Sleeper(), nn.Identity()).eval(), torch.rand(1, 1), passes=5)
    assert torch.get_num_threads() == threads
    assert layers["ms"].tolist() == pytest.approx([3, 0])
    with pytest.raises(ValueError, match="eval"):
        by_layer(nn.Identity(), torch.rand(1, 1))
