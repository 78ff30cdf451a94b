"""Coded files: RFC 1951's example, what prefix codes have to fulfil, and the dense weights."""

import math
import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from utils.files.coded_files import code_words, decode, encode, read_code, write_code
from utils.models import ResNet

RFC_1951 = dict(zip("ABCDEFGH", (3, 3, 3, 3, 3, 2, 4, 4), strict=True))  # section 3.2.2
quick = settings(max_examples=25, deadline=None)


class Codebook(nn.Module):
    def __init__(self, index, values):
        super().__init__()
        self.register_buffer("index", index)
        self.values = nn.Parameter(values)

    def forward(self, _):
        return F.pad(self.values, (1, 0))[self.index]


def shannon(counts):
    """ceil(-log2 p) bits, but at least 1."""
    total = sum(counts.values())
    return {symbol: max(1, (-(-total // n) - 1).bit_length()) for symbol, n in counts.items()}


def share(layer, index, values):
    parametrize.register_parametrization(layer, "weight", Codebook(index, torch.tensor(values)))


def shared_row(row, values):
    """A linear layer with one row of weights, in a network."""
    network = nn.Sequential(nn.Linear(len(row), 1))
    share(network[0], torch.tensor([row]), values)
    return network


def test_the_words_of_rfc_1951():
    words = {"F": "00", "A": "010", "B": "011", "C": "100", "D": "101", "E": "110", "G": "1110", "H": "1111"}
    assert code_words(RFC_1951) == words


@quick
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_full_trees_use_up_all_words(splits):
    lengths = [0]
    for choice in splits:
        lengths += [lengths.pop(choice % len(lengths)) + 1] * 2
    words = code_words(dict(enumerate(lengths)))
    assert [len(words[i]) for i in range(len(lengths))] == lengths
    ordered = sorted(words.values())
    assert not any(b.startswith(a) for a, b in zip(ordered, ordered[1:], strict=False))
    with pytest.raises(ValueError, match="no prefix code"):
        code_words(dict(enumerate([*lengths, 40])))


@pytest.mark.parametrize("lengths", [(1, 1, 1), (1, 2, 2, 3), (0,)])
def test_words_that_are_too_short(lengths):
    with pytest.raises(ValueError, match=r"no prefix code has words of \[.*\] bits; make some longer"):
        code_words(dict(enumerate(lengths)))


@pytest.mark.parametrize("lengths", [shannon, lambda counts: dict.fromkeys(counts, 7)], ids=["shannon", "7"])
@quick
@given(symbols=st.lists(st.integers(0, 70), min_size=1))
def test_codes_are_read_back(lengths, symbols):
    parts = write_code(symbols, lengths)
    assert read_code(parts) == symbols
    bits = lengths({symbol: symbols.count(symbol) for symbol in symbols})
    assert len(parts["bits"]) == -(-sum(bits[symbol] for symbol in symbols) // 8)


def test_bits_by_hand():
    parts = write_code([5, 0, 1], lambda _: dict(enumerate(RFC_1951.values())))
    assert parts["bits"].tolist() == [0b00_010_011]
    assert len(write_code([4] * 17, shannon)["bits"]) == 3


def test_a_code_may_have_words_that_are_not_used():
    parts = write_code([0, 1, 0], lambda _: {0: 2, 1: 2, 9: 1})
    assert read_code(parts) == [0, 1, 0]


@pytest.mark.parametrize("way, stored", [(1, 1), (63, 1), (64, 2), (126, 2), (127, 3)])
def test_long_ways_pass_over_stored_zeros(way, stored):
    file = encode(shared_row([0] * (way - 1) + [1] + [0] * (way - 1) + [2], [0.5, -2.0]), shannon)
    assert decode(file)["0.weight"].tolist() == [[0] * (way - 1) + [0.5] + [0] * (way - 1) + [-2]]
    parts = load(zlib.decompress(file))
    for kind in ("steps", "chosen"):
        assert parts[f"0.weight/{kind}/count"] == 2 * stored
    assert len(parts["0.weight/steps/table"]) <= 64


@quick
@given(
    st.lists(st.tuples(st.integers(0, 140), st.integers(1, 3)), min_size=1, max_size=6), st.integers(0, 140)
)
def test_rows_come_back_in_half_precision(weights, rest):
    row = [value for zeros, index in weights for value in [0] * zeros + [index]] + [0] * rest
    network = shared_row(row, [0.1, -1 / 3, 1e-3])
    found = decode(encode(network, shannon))["0.weight"]
    assert found.dtype == torch.float32
    assert torch.equal(found, network[0].weight.detach().half().float())


def test_a_decoded_network_computes_the_same():
    network, other = ResNet(2, 1, 3), ResNet(2, 1, 3)
    network(torch.rand(16, 1, 12, 12))  # batch norm statistics other than 0 and 1
    network.eval().half().float()
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            share(
                layer,
                torch.arange(layer.weight.numel()).reshape(layer.weight.shape) * 7 % 4,
                [-0.5, 0.25, 0.75],
            )
    missing, unexpected = other.eval().load_state_dict(decode(encode(network, shannon)), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    images = torch.rand(3, 1, 12, 12)
    assert torch.equal(other(images), network(images))


def test_the_order_in_memory_does_not_matter():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Linear(4, 6)).to(memory_format=torch.channels_last)
    share(network[1], torch.arange(24).reshape(4, 6).T % 3, [0.5, 1.0])
    state = decode(encode(network, shannon))
    for name in ("0", "1"):
        weight = network.get_submodule(name).weight.detach()
        assert torch.equal(state[f"{name}.weight"], weight.half().float())


def test_a_layer_is_a_network():
    layer = nn.Linear(2, 1)
    share(layer, torch.tensor([[2, 0]]), [0.5, 1.0])
    state = decode(encode(layer, shannon))
    assert state.keys() == {"weight", "bias"} and state["weight"].tolist() == [[1, 0]]


def test_sparse_layers_are_shorter_than_deflated_ones():
    draws = torch.Generator().manual_seed(0)
    index = torch.randint(1, 5, (128, 128), generator=draws)
    index[torch.rand(index.shape, generator=draws) < 0.9] = 0
    network = nn.Sequential(nn.Linear(128, 128, bias=False))
    share(network[0], index, [-0.2, -0.1, 0.1, 0.2])
    dense = network[0].weight.detach().half().numpy()
    assert len(encode(network, shannon)) < 0.8 * len(zlib.compress(np.ascontiguousarray(dense), 9))


def test_a_layer_without_weights_is_named():
    with pytest.raises(ValueError, match="every weight of '0' is pruned; remove the layer"):
        encode(shared_row([0, 0], [0.5]), shannon)


def test_numbers_that_are_too_large_for_half_precision():
    network = shared_row([1, 0, 2], [1e6, 0.1])
    network.register_buffer("large", torch.tensor([1e6, 0.1, math.inf]))
    network.register_buffer("small", torch.tensor([0.1, math.inf]))
    state = decode(encode(network, shannon))
    assert torch.equal(state["large"], network.large)
    assert torch.equal(state["small"], network.small.half().float())
    assert torch.equal(state["0.weight"], network[0].weight)


def test_whole_numbers_stay():
    network = nn.Sequential(nn.BatchNorm1d(2))
    network.register_buffer("places", torch.tensor([3, 100_001]))
    state = decode(encode(network, shannon))
    assert torch.equal(state["places"], network.places) and "0.num_batches_tracked" not in state


def test_what_is_computed_by_anything_but_a_codebook_is_refused():
    pruned, twice, bias = (nn.Sequential(nn.Linear(4, 2)) for _ in range(3))
    prune.l1_unstructured(pruned[0], "weight", amount=0.5)
    with pytest.raises(ValueError, match="weight of '0' is computed in every pass, from weight_orig"):
        encode(pruned, shannon)
    with pytest.raises(ValueError, match="'0' is parametrized by _WeightNorm, and only one codebook"):
        encode(nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 2))), shannon)
    share(twice[0], torch.ones(2, 4, dtype=torch.long), [0.5])
    parametrize.register_parametrization(twice[0], "weight", nn.Identity())
    with pytest.raises(ValueError, match="'0' is parametrized by Codebook and Identity"):
        encode(twice, shannon)
    parametrize.register_parametrization(bias[0], "bias", nn.Identity())
    with pytest.raises(ValueError, match="'0' is parametrized by Identity"):
        encode(bias, shannon)


def test_shared_weights_come_back():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    state = decode(encode(network, shannon))
    assert torch.equal(state["0.weight"], state["1.weight"]) and len(state) == 4
