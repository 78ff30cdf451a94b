"""Oracle: products on paper, for what torch's own counter misses on a CPU."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from utils.measuring import cost
from utils.measuring.counting import counted

WORDS, WIDTH, HEADS, INNER = 5, 16, 2, 32
ATTENTION = 2 * HEADS * WORDS * WORDS * (WIDTH // HEADS)  # the scores, and the sums over the values
PROJECTIONS = WORDS * WIDTH * (3 * WIDTH) + WORDS * WIDTH * WIDTH


class Attention(nn.Module):
    def forward(self, x):
        heads = x.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads)


def test_attention_in_one_piece():
    assert cost.macs(Attention().eval(), torch.rand(1, WORDS, WIDTH)) == ATTENTION


def test_an_encoder_layer():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, batch_first=True).eval()
    by_hand = PROJECTIONS + ATTENTION + 2 * WORDS * WIDTH * INNER
    assert cost.macs(layer, torch.rand(1, WORDS, WIDTH)) == by_hand


@pytest.mark.parametrize("kind, gates", [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers(kind, gates):
    layer = kind(WIDTH, 8, batch_first=True).eval()
    assert cost.macs(layer, torch.rand(1, WORDS, WIDTH)) == WORDS * gates * 8 * (WIDTH + 8)


def test_a_bilinear_layer_costs_as_much_as_its_two_products():
    layer, left, right = nn.Bilinear(7, 6, 5), torch.rand(4, 7), torch.rand(4, 6)
    with counted(layer) as counter:
        by_layer = layer(left, right)
    ours = counter.get_total_flops() // 2
    with counted(None) as counter:
        by_products = torch.einsum("bi,oij,bj->bo", left, layer.weight, right) + layer.bias
    torch.testing.assert_close(by_layer, by_products)
    assert ours == counter.get_total_flops() // 2 == 4 * (5 * 7 * 6 + 5 * 6)


VECTOR = torch.rand(7)
PRODUCTS = {
    "a matrix and a vector": lambda x: x @ VECTOR,
    "a linear layer without a second size": lambda x: F.linear(x, VECTOR),
    "a vector and a vector": lambda x: torch.stack([row @ VECTOR for row in x]),
    "a sum of them": lambda x: torch.addmv(torch.zeros(4), x, VECTOR),
}


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_products_with_a_vector(product):
    assert cost.macs(product, torch.rand(4, 7)) == 4 * 7


def test_settings_come_back_when_a_pass_fails():
    before = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    with pytest.raises(RuntimeError), counted(nn.LSTM(3, 3)):
        nn.Linear(2, 2)(torch.rand(1, 3))
    assert (torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled) == before
