"""Each byte of a small file is damaged in turn; writers are interrupted at each point."""

import hashlib
import os

import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save_file as plain_save

from utils.training import storage
from utils.training.storage import load_state, save_state

STATE = {
    "a.weight": torch.tensor([[1.5, -2.0, 0.1]]),
    "b": torch.tensor([0.25]),
    "count": torch.tensor(7),
}
OLD = {"b": torch.tensor([1.0])}


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "a.safetensors"
    save_state(path, STATE)
    return path


def test_a_state_comes_back_as_it_was(stored):
    assert same(load_state(stored), STATE)
    assert same(load_file(stored), STATE)  # an ordinary safetensors file
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]


def test_a_file_that_is_not_there_is_none(tmp_path):
    assert load_state(tmp_path / "a.safetensors") is None
    assert load_state(tmp_path / "no" / "folder.safetensors") is None


def test_a_flipped_bit_is_noticed_in_every_byte(stored):
    content = stored.read_bytes()
    missed = []
    for i in range(len(content)):
        damaged = bytearray(content)
        damaged[i] ^= 1 << 3 * i % 8  # in turn each of the eight
        stored.write_bytes(damaged)
        if load_state(stored) is not None:
            missed.append(i)
    assert missed == []


def test_every_length_but_the_whole_is_noticed(stored):
    content = stored.read_bytes()
    for length in range(len(content)):
        stored.write_bytes(content[:length])
        assert load_state(stored) is None, length
    stored.write_bytes(content + b"\0")
    assert load_state(stored) is None


@pytest.mark.parametrize("changed", ["value", "names", "one missing", "no digest"])
def test_a_sound_file_of_other_tensors_is_noticed(stored, changed):
    digest = hashlib.sha256()
    for name in ("a.weight", "b", "count"):
        digest.update(name.encode() + STATE[name].numpy().tobytes())
    metadata = {"digest": digest.hexdigest()}
    plain_save(STATE, stored, metadata=metadata)
    assert same(load_state(stored), STATE)  # so what follows fails for what is changed alone

    other = dict(STATE)
    if changed == "value":
        other["b"] = torch.tensor([0.5])
    elif changed == "names":
        other["c"] = other.pop("b")
    elif changed == "one missing":
        del other["count"]
    else:
        metadata = None
    plain_save(other, stored, metadata=metadata)
    assert load_state(stored) is None


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("where", ["in the middle", "before the renaming"])
def test_an_interrupted_writer_leaves_what_was_there(tmp_path, monkeypatch, exists, where):
    path = tmp_path / "a.safetensors"
    if exists:
        save_state(path, OLD)

    def interrupted(state, target, **options):
        plain_save(state, target, **options)
        with open(target, "r+b") as file:
            file.truncate(60)
        raise KeyboardInterrupt

    def not_renamed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if where == "in the middle":
            patched.setattr(storage, "save_file", interrupted)
        else:
            patched.setattr(os, "replace", not_renamed)
        save_state(path, STATE)
    assert path.exists() == exists
    assert same(load_state(path) or {}, OLD if exists else {})
    save_state(path, STATE)  # and what the interrupted writer left is in nobody's way
    assert same(load_state(path), STATE)
