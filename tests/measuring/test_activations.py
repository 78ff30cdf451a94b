"""Inputs of layers, against the layers called by hand."""

import pytest
import torch
from torch import nn

from utils.measuring.activations import layer_inputs, patches, pooled_inputs
from utils.models import LeNet300100, ResNet


def test_inputs_are_what_the_layers_see():
    images = torch.rand(5, 1, 28, 28)
    network = LeNet300100().eval()
    inputs = layer_inputs(network, images)
    assert list(inputs) == ["0", "1", "2", "3", "4", "5"]
    assert torch.equal(inputs["1"], images.flatten(1))
    hidden = network[1](images.flatten(1))
    assert torch.equal(inputs["2"], hidden)
    assert torch.equal(inputs["5"], network[3](hidden.relu()).relu())


def test_every_layer_of_the_residual_network():
    network = ResNet(4).eval()
    inputs = layer_inputs(network, torch.rand(2, 1, 28, 28))
    assert inputs["stage2.conv1"].shape == (2, 4, 14, 14)
    assert torch.equal(inputs["stage2.shortcut.0"], inputs["stage2.conv1"])
    assert inputs["head"].shape == (2, 16)


def test_layers_that_work_in_place_do_not_change_what_was_seen():
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True)).eval()
    images = torch.randn(4, 3)
    assert torch.equal(layer_inputs(network, images)["1"], network[0](images))


def test_the_model_is_left_as_it_was():
    network = ResNet(2).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layer_inputs(network, torch.rand(2, 1, 28, 28))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_hooks_go_when_the_pass_fails():
    network = ResNet(2).eval()
    with pytest.raises(RuntimeError):
        layer_inputs(network, torch.rand(2, 3, 28, 28))
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match=r"call model\.eval\(\) first"):
        layer_inputs(ResNet(2), torch.rand(2, 1, 28, 28))


def test_pooled_inputs_are_means_over_positions():
    network, images = ResNet(2).eval(), torch.rand(3, 1, 28, 28)
    first, last = pooled_inputs(network, images, ["stage1.conv1", "head"])
    stem = network.stem(images)
    torch.testing.assert_close(first, stem.mean((2, 3)))
    assert torch.equal(last, layer_inputs(network, images)["head"])


def test_layers_whose_inputs_cannot_be_told_are_named():
    layer = nn.Linear(4, 4)
    with pytest.raises(ValueError, match="'0' runs more than once in a pass"):
        layer_inputs(nn.Sequential(layer, nn.ReLU(), layer).eval(), torch.rand(2, 4))
    unused = nn.ModuleDict({"a": layer, "b": nn.Linear(4, 4)})
    unused.forward = unused["a"].forward
    with pytest.raises(ValueError, match="'b' did not run as a layer in this pass"):
        layer_inputs(unused.eval(), torch.rand(2, 4))["b"]


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1, "stride": 2},
        {"padding": "same"},
        {"padding": "same", "dilation": 3},
        {"padding": "valid"},
        {"padding": (2, 0), "dilation": (1, 2), "stride": (2, 1)},
        {"padding": 2, "padding_mode": "circular"},
        {"padding": "same", "padding_mode": "reflect"},
    ],
)
@pytest.mark.parametrize("kernel", [3, (2, 4), 1])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_patches_times_weights_are_the_convolution(options, kernel):
    layer, x = nn.Conv2d(3, 5, kernel, bias=False, **options), torch.rand(2, 3, 9, 10)
    by_patches = layer.weight.flatten(1) @ patches(layer, x)
    torch.testing.assert_close(by_patches, layer(x).flatten(2))
