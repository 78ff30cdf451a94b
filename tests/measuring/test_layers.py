"""Oracles: torch's own counter, a clock that the test moves."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.flop_counter import FlopCounterMode

from utils.measuring import by_layer, cost
from utils.measuring import layers as layers_module
from utils.models import LeNet300100, ResNet


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


class Recurrent(nn.Module):
    """One layer used three times, at two widths."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(self.conv(self.conv(x))[..., ::2])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.attention(x, x, value=x)[0])


OTHERS = {
    "Conv1d": (lambda: nn.Conv1d(3, 5, 3), (3, 9)),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 3), (1, 5, 5, 5)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 5, 3, stride=2), (3, 9)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 5, 5)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, padding="same"), (4, 7, 7)),
    "three uses": (Recurrent, (3, 8)),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(6, 4)), (6,)),
}


@pytest.mark.parametrize("build, shape", OTHERS.values(), ids=OTHERS)
def test_layers_of_other_kinds_add_up_as_well(build, shape):
    model, example = nn.Sequential(build()).eval(), torch.rand(2, *shape)
    layers = by_layer(model, example, passes=2)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(example[:1])
    assert layers["macs"].sum() == counter.get_total_flops() // 2 > 0
    assert layers["parameters"].sum() == sum(p.numel() for p in model.parameters())


def test_attention_by_hand():
    layers = by_layer(Attention().eval(), torch.rand(2, 6, 8), passes=2)
    assert layers["layer"].tolist() == ["attention", "head"]
    projections, products = 6 * 8 * (3 * 8 + 8), 2 * 2 * 6 * 6 * 4
    assert layers["macs"].tolist() == [projections + products, 6 * 8 * 3]
    assert layers["parameters"].tolist() == [4 * (8 * 8 + 8), 8 * 3 + 3]


def test_three_uses_by_hand():
    layers = by_layer(nn.Sequential(Recurrent()).eval(), torch.rand(2, 3, 8), passes=2).set_index("layer")
    assert layers.loc["0.conv", "macs"] == (8 + 8 + 4) * 3 * 3 * 3
    numbers = 2 * 2 * 3 * (8 + 8 + 4) + 3 * (3 * 3 * 3 + 3)  # in and out of two images, and the layer's own
    assert layers.loc["0.conv", "moved"] == 4 * numbers


def test_a_transposed_convolution_by_hand():
    layers = by_layer(nn.ConvTranspose2d(3, 5, 3, stride=2).eval(), torch.rand(2, 3, 6, 6), passes=2)
    assert layers["macs"].tolist() == [6 * 6 * 3 * 5 * 9]  # each input goes into 5 x 3 x 3 outputs


def test_shared_parameters_count_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).eval()
    model[1].weight = model[0].weight
    assert by_layer(model, torch.rand(2, 4), passes=2)["parameters"].tolist() == [20, 4]


def test_nothing_is_left_behind_when_a_pass_fails():
    class Picky(nn.Module):
        """Fails where there is more than one image."""

        def forward(self, x):
            if len(x) > 1:
                raise RuntimeError("too many")
            return x

    model, threads = nn.Sequential(nn.Identity(), Picky()).eval(), torch.get_num_threads()
    with pytest.raises(RuntimeError, match="too many"):
        by_layer(model, torch.rand(2, 3), threads=threads + 1)
    assert torch.get_num_threads() == threads
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules())
    with pytest.raises(RuntimeError):
        by_layer(LeNet300100().eval(), torch.rand(2, 3, 5, 5))
