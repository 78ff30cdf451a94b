"""Oracles: a second process, damaged files, edited code."""

import copy
import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from utils import data
from utils.training import Recipe, base_network, networks
from utils.training.networks import network_name

QUICK = Recipe(epochs=2, batch_size=32, learning_rate=1e-2)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_base_network_is_trained_once_and_comes_back_equal(stripes, cache, monkeypatch):
    first = base_network(stripes, 0, width=2, recipe=QUICK)
    monkeypatch.setattr(networks.loop, "fit", lambda *_, **__: pytest.fail("trained again"))
    second = base_network(stripes, 0, width=2, recipe=QUICK)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert not second.training


def test_a_damaged_cache_file_is_made_again(stripes, cache):
    first = base_network(stripes, 0, width=2, recipe=QUICK)
    (path,) = cache.glob("*.safetensors")
    sound = path.read_bytes()
    path.write_bytes(sound[: len(sound) // 2])
    second = base_network(stripes, 0, width=2, recipe=QUICK)
    assert torch.equal(first.head.weight, second.head.weight)
    assert path.read_bytes() == sound


def test_a_cache_that_may_not_be_written_is_named_before_the_training(stripes, cache, monkeypatch):
    kept = base_network(stripes, 0, width=2, recipe=QUICK)

    def read_only(dir):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    monkeypatch.setattr(networks.tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(networks.loop, "fit", lambda *_, **__: pytest.fail("it has been trained"))
    with pytest.raises(OSError, match=rf"kept in {cache} \(Read-only file system\); set BOOK_CACHE_DIR"):
        base_network(stripes, 1, width=2, recipe=QUICK)
    again = base_network(stripes, 0, width=2, recipe=QUICK)  # what is there is still read
    assert torch.equal(again.head.weight, kept.head.weight)


def test_an_interrupted_training_leaves_no_file(stripes, cache, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(networks.loop, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        base_network(stripes, 0, width=2, recipe=QUICK)
    assert not list(cache.glob("*.safetensors"))


def test_the_key_changes_with_images_seed_width_and_recipe(stripes):
    key = network_name(stripes, 0, 8, QUICK)
    assert key == network_name(copy.deepcopy(stripes), 0, 8, QUICK)
    stripes.train.images[5, 0, 3, 3] += 1e-3
    others = {
        network_name(stripes, 0, 8, QUICK),
        network_name(stripes, 1, 8, QUICK),
        network_name(stripes, 0, 9, QUICK),
        network_name(stripes, 0, 8, Recipe()),
    }
    assert len(others | {key}) == 5


@pytest.mark.parametrize("module", ["models", "splits", "loop", "recipe", "muon", "augmentation"])
def test_the_key_changes_with_the_code_that_trains_not_with_its_comments(stripes, monkeypatch, module):
    key, read = network_name(stripes, 0, 8, QUICK), Path.read_text

    def edited(more):
        return lambda path, **options: read(path, **options) + more * (path.name == f"{module}.py")

    monkeypatch.setattr(Path, "read_text", edited("\n# a comment\n"))
    assert network_name(stripes, 0, 8, QUICK) == key
    monkeypatch.setattr(Path, "read_text", edited("\nSTEPS = 7\n"))
    assert network_name(stripes, 0, 8, QUICK) != key


def test_the_key_does_not_change_with_the_last_bit_of_drawn_images():
    drawn = data.load("glyphs", seed=100, train_size=47)
    key = network_name(drawn, 100, 8, QUICK)
    drawn.train.images[5, 0, 3, 3] += 1e-6
    assert network_name(drawn, 100, 8, QUICK) == key
    assert network_name(data.load("glyphs", seed=101, train_size=47), 100, 8, QUICK) != key
    first = dataclasses.replace(drawn, train=drawn.train.take(torch.arange(46)))
    assert network_name(first, 100, 8, QUICK) != key


def test_a_shipped_network_is_taken_and_a_damaged_one_is_not(stripes, cache, tmp_path, monkeypatch):
    shipped = tmp_path / "networks"
    shipped.mkdir()
    trained = base_network(stripes, 0, width=2, recipe=QUICK)
    (path,) = cache.glob("*.safetensors")
    file = shipped / f"{network_name(stripes, 0, 2, QUICK)}.safetensors"
    path.rename(file)
    monkeypatch.setenv("BOOK_NETWORKS_DIR", str(shipped))
    monkeypatch.setattr(networks.loop, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert torch.equal(base_network(stripes, 0, width=2, recipe=QUICK).head.weight, trained.head.weight)
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        base_network(stripes, 1, width=2, recipe=QUICK)  # another key
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        base_network(stripes, 0, width=2, recipe=QUICK)
    monkeypatch.setenv("BOOK_NETWORKS_DIR", "")  # as the evidence runs, which train their own
    file.rename(cache / file.name)
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        base_network(stripes, 0, width=2, recipe=QUICK)


def test_another_torch_trains_again(stripes, cache, monkeypatch):
    base_network(stripes, 0, width=2, recipe=QUICK)
    monkeypatch.setattr(torch, "__version__", "1.0")
    base_network(stripes, 0, width=2, recipe=QUICK)
    assert len(list(cache.glob("*.safetensors"))) == 2


PROCESS = """
import sys, torch
from utils.data import Dataset, Split
from utils.models import ResNet
from utils.training import Recipe, base_network, loop
labels = torch.arange(512) % 2
split = Split(labels.float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous(), labels)
fit = loop.fit
def counted(*args, **kwargs):
    open(sys.argv[1], "a").write("trained\\n")
    return fit(*args, **kwargs, progress=False)
loop.fit = counted
base_network(Dataset("d", split, split, split, ("a", "b")), 0, width=2)
torch.set_num_threads(2)
split = Split(torch.rand(3 * 17, 3, 32, 32), torch.arange(51) % 2)
for width in (4, 7, 12, 14):
    fit(ResNet(width, 3, 2), Dataset("d", split, split, split, ("a", "b")), seed=0,
        recipe=Recipe(epochs=1, batch_size=17), progress=False)
print("narrow networks trained")
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Two processes that train the same network, then narrow ones: their ends, and the log of the first."""
    folder = tmp_path_factory.mktemp("processes")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    environment["BOOK_CACHE_DIR"] = str(folder)
    command = [sys.executable, "-c", PROCESS, str(folder / "log")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]
    outputs = [process.communicate() for process in started]
    return list(zip(started, outputs, strict=True)), (folder / "log").read_text()


def test_processes_started_together_train_once(processes):
    assert processes[1] == "trained\n"


def test_narrow_networks_and_odd_batches_do_not_crash(processes):
    """With the channels last in memory, torch 2.14.1 writes past its buffers on a CPU in just this case."""
    for process, (out, errors) in processes[0]:
        assert (process.returncode, out) == (0, "narrow networks trained\n"), errors
