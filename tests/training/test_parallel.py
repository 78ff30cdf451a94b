"""Oracle: one process with the whole batch."""

import copy
import dataclasses
import math
import os

import pytest
import torch

from utils.models import LeNet300100
from utils.training import parallel
from utils.training.loop import fit
from utils.training.recipe import Recipe

SGD = Recipe(epochs=2, batch_size=32, learning_rate=0.05, optimizer="sgd")


def test_two_processes_equal_one_with_the_whole_batch(stripes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(parallel.tempfile, "tempdir", None)  # Python remembers the first answer
    lenet = LeNet300100(1, 8, 2)
    plain = copy.deepcopy(lenet)
    tight = dataclasses.replace(SGD, clip_norm=0.1)  # shortens the whole gradient
    together = parallel.train({"plain": (lenet, stripes, SGD), "clipped": (lenet, stripes, tight)}, seed=3)
    assert os.listdir(tmp_path) == []
    for name, recipe in (("plain", SGD), ("clipped", tight)):
        alone = copy.deepcopy(lenet)
        fit(alone, stripes, seed=3, recipe=recipe, progress=False)
        assert (alone[1].weight - lenet[1].weight).abs().max() > 1e-4  # it moved
        first, second = (process.parameters for process in together[name])
        for key, expected in alone.named_parameters():
            torch.testing.assert_close(first[key], expected.detach(), rtol=0, atol=1e-6)
            assert torch.equal(first[key], second[key])
        assert together[name][0].seconds > 0
    assert all(torch.equal(*pair) for pair in zip(plain.parameters(), lenet.parameters(), strict=True))

    together["plain"][0].parameters["3.bias"][5] += 0.5  # what `compare` is to find
    monkeypatch.setattr(parallel, "train", lambda runs, seed, processes: {"plain": together["plain"]})
    (found,) = parallel.compare({"plain": (lenet, stripes, SGD)}, seed=3).values()
    assert found.difference == pytest.approx(0.5, abs=1e-5) and found.alone > 0
    assert found.together == together["plain"][0].seconds


def test_a_failing_process_is_quoted(tmp_path, monkeypatch):
    """The interpreter is a script that fails, as starting torch would take seconds."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'math domain error' >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setattr(parallel.sys, "executable", str(script))
    with pytest.raises(RuntimeError, match=r"(?s)sqrt failed in its processes.*math domain error"):
        parallel.launch(math.sqrt, -1, processes=1)


@pytest.mark.parametrize("batch_size", [33, 30])  # 256 images: the last batch has 25, or 16
def test_unequal_shares_are_refused(stripes, batch_size):
    recipe = dataclasses.replace(SGD, batch_size=batch_size)
    processes = 2 if batch_size == 33 else 3
    with pytest.raises(ValueError, match=f"batches of {batch_size} images, the last of"):
        parallel.train({"odd": (LeNet300100(1, 8, 2), stripes, recipe)}, seed=0, processes=processes)
