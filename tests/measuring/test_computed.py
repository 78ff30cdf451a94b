"""Weights that torch computes in every pass: by its pruning, by norms, by parametrizations."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from utils.measuring.computed import check_own_weights, check_plain, source, tensors_in_use


def pruned():
    layer = nn.Linear(6, 4)
    prune.l1_unstructured(layer, "weight", amount=0.5)
    return layer


def test_where_a_weight_comes_from():
    assert source(nn.Linear(6, 4)) == ""
    assert source(pruned()) == "weight_orig"
    assert source(parametrizations.weight_norm(nn.Linear(6, 4))) == "_WeightNorm"
    assert source(parametrizations.weight_norm(nn.Linear(6, 4)), "bias") == ""


def test_what_is_removed_is_plain_again():
    layer = pruned()
    with pytest.raises(ValueError, match="the weight of 'head' is computed in every pass, from weight_orig"):
        check_plain(layer, "head")
    check_plain(prune.remove(layer, "weight"), "head")


@pytest.mark.parametrize("build", [pruned, lambda: parametrizations.weight_norm(nn.Linear(6, 4))])
def test_tensors_in_use_are_those_that_the_layer_multiplies(build):
    layer = build()
    found = sorted(tensors_in_use(nn.Sequential(layer)), key=torch.Tensor.numel)
    assert [tuple(tensor.shape) for tensor in found] == [(4,), (4, 6)]
    assert torch.equal(found[1], layer.weight)


def test_shared_and_computed_weights_are_named():
    network = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    check_own_weights(network)
    network["b"].weight = network["a"].weight
    with pytest.raises(ValueError, match="'a' and 'b' share a weight"):
        check_own_weights(network)
    with pytest.raises(ValueError, match="the weight of '0' is computed in every pass, from weight_orig"):
        check_own_weights(nn.Sequential(pruned()))
    with pytest.raises(ValueError, match="the weight of '0' is computed in every pass, from _WeightNorm"):
        check_own_weights(nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 4))))
