"""Sparse files: read back to what was stored, and as long as their formats say."""

import numpy as np
import pytest

from utils.files.sparse_files import FORMS, pack, unpack


def sparse(shape, share, seed=0):
    draws = np.random.default_rng(seed)
    array = draws.normal(size=shape).astype(np.float32)
    array[draws.random(shape) < share] = 0
    return array


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_arrays_come_back(form, share):
    arrays = {"conv": sparse((5, 3, 3, 3), share), "head.weight": sparse((7, 11), share, seed=1)}
    found = unpack(pack(arrays, form), form)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == np.float32 and np.array_equal(found[name], array)


def test_lengths_by_hand():
    array = np.zeros((64, 128), dtype=np.float32)
    array[::2, ::4] = 1.5  # 1,024 of 8,192
    extra = 1024  # at most, for names and shapes
    assert 0 <= len(pack({"w": array}, "dense")) - 4 * 8192 <= extra
    assert 0 <= len(pack({"w": array}, "CSR")) - (4 * 1024 + 4 * 1024 + 4 * 65) <= extra
    assert 0 <= len(pack({"w": array}, "bit mask")) - (4 * 1024 + 8192 // 8) <= extra
    assert len(pack({"w": array}, "dense, deflated")) < 4 * 1024


def test_random_values_do_not_deflate_but_zeros_do():
    dense, half = sparse((100, 100), 0.0), sparse((100, 100), 0.5)
    assert len(pack({"w": dense}, "dense, deflated")) > 0.9 * len(pack({"w": dense}, "dense"))
    assert len(pack({"w": half}, "dense, deflated")) < 0.7 * len(pack({"w": half}, "dense"))


@pytest.mark.parametrize("call", [pack, unpack])
def test_an_unknown_form(call):
    with pytest.raises(ValueError, match="the form is 'zip'; it has to be one of dense"):
        call({} if call is pack else b"", "zip")
