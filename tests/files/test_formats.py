"""Oracles: numpy's half precision, the formula of floating point, and what matplotlib holds."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from utils.files.formats import draw, numbers


def by_formula(exponent_bits, fraction_bits, top):
    """(-1)^s 2^(max(e, 1) - bias) ([e > 0] + m / 2^M) for all codes below `top`, sorted."""
    e, m = np.divmod(np.arange(top), 2**fraction_bits)
    bias = 2 ** (exponent_bits - 1) - 1
    size = 2.0 ** (np.maximum(e, 1) - bias) * ((e > 0) + m / 2**fraction_bits)
    return np.unique(np.append(-size, size))


@pytest.mark.parametrize(
    "name, expected",
    [
        ("fp8 e4m3", by_formula(4, 3, 0b1111_111)),  # only one code for NaN, none for infinity
        ("fp8 e5m2", by_formula(5, 2, 0b11111_00)),
        ("bf16", by_formula(8, 7, 0b11111111 << 7)),
    ],
)
def test_floats_follow_the_formula(name, expected):
    np.testing.assert_array_equal(numbers(name).numpy(), expected)


def test_half_precision_is_numpys():
    codes = np.arange(2**16, dtype=np.uint16).view(np.float16)
    expected = np.unique(codes[np.isfinite(codes)]).astype(np.float32)
    np.testing.assert_array_equal(numbers("fp16").numpy(), expected)


@pytest.mark.parametrize(
    "name, least, most",
    [
        ("fp8 e4m3", 2**-9, 448),
        ("fp8 e5m2", 2**-16, 57344),
        ("bf16", 2**-133, torch.finfo(torch.bfloat16).max),
        ("fp16", 2**-24, 65504),
    ],
)
def test_the_ends_that_standards_name(name, least, most):
    values = numbers(name)
    assert values[values > 0][0] == least and values[-1] == -values[0] == most


@pytest.mark.parametrize("name, count", [("int4", 15), ("int8", 255)])
def test_integers_are_evenly_spaced(name, count):
    np.testing.assert_allclose(numbers(name).numpy(), np.linspace(-1, 1, count), atol=1e-7)


def test_an_unknown_format():
    with pytest.raises(ValueError, match="the format 'fp4' is unknown; choose int4, int8 or one of fp8 e4m3"):
        numbers("fp4")


def test_lines_have_a_tick_at_each_number_of_the_window():
    before = mpl.get_backend()
    plt.switch_backend("agg")
    _, axis = plt.subplots()
    draw(axis, ["int4", "fp8 e4m3"], 0, 1)
    above, below = axis.collections
    np.testing.assert_allclose(above.get_positions(), np.arange(8) / 7, atol=1e-7)
    assert len(below.get_positions()) == 1 + 7 + 6 * 8 + 1  # 0, below 2^-6, from 2^-6 up to 1, 1
    assert min(below.get_positions()) >= 0 and max(below.get_positions()) <= 1
    assert [line.get_lineoffset() for line in axis.collections] == axis.get_yticks().tolist() == [0, 1]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["int4", "fp8 e4m3"]
    assert axis.yaxis_inverted() and axis.get_xlim() == (0, 1)
    plt.close("all")
    plt.switch_backend(before)
