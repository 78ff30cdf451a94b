"""Oracles: torch's own AdamW and OneCycleLR, a learnable task, damaged files, a second process."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from utils import training
from utils.data import batches
from utils.evaluation import accuracy
from utils.models import ResNet
from utils.training import Recipe, base_network, fit

QUICK = Recipe(epochs=2, batch_size=32, learning_rate=1e-2)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_fit_learns_and_keeps_a_history(stripes):
    model = ResNet(4, 1, 2)
    longer = Recipe(epochs=8, batch_size=32, learning_rate=1e-2)
    history = fit(model, stripes, seed=0, recipe=longer, progress=False)
    assert accuracy(model, stripes.test) > 95
    assert len(history.loss) == len(history.validation_accuracy) == len(history.seconds) == 8
    assert history.loss[-1] < history.loss[0]
    assert not model.training


def test_fit_equals_a_loop_written_with_torchs_schedule(stripes):
    """The same steps from torch.optim.AdamW and OneCycleLR-like rates, spelled out."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    other = copy.deepcopy(model)
    fit(model, stripes, seed=3, recipe=QUICK, progress=False)

    optimizer = torch.optim.AdamW(other.parameters(), lr=1e-2, weight_decay=1e-2)
    generator = torch.Generator().manual_seed(3)
    for i, rate in enumerate([1 / 5, 2 / 5, 3 / 5, 4 / 5, 1] + [None] * 11):
        if i % 8 == 0:
            epoch = batches(stripes.train, 32, generator=generator)
        cosine = 0.5 * (1 + torch.cos(torch.tensor((i - 4) / 11 * torch.pi))).item()
        optimizer.param_groups[0]["lr"] = 1e-2 * (cosine if rate is None else rate)
        images, labels = next(epoch)
        optimizer.zero_grad()
        nn.functional.cross_entropy(other(images), labels).backward()
        optimizer.step()
    torch.testing.assert_close(model[1].weight, other[1].weight, rtol=1e-4, atol=1e-6)


def test_the_fall_of_the_cycle_equals_torchs_one_cycle():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    ours = training.one_cycle(optimizer, Recipe(warm_up=0.3), 100)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        theirs, 0.5, total_steps=101, pct_start=30 / 101, final_div_factor=1e12, cycle_momentum=False
    )
    pairs = []
    for _ in range(100):
        pairs.append((optimizer.param_groups[0]["lr"], theirs.param_groups[0]["lr"]))
        optimizer.step(), theirs.step(), ours.step(), reference.step()
    falling = pairs[30:]
    assert all(abs(mine - torchs) < 0.01 for mine, torchs in falling)
    assert max(mine for mine, _ in pairs) == pairs[29][0] == 0.5


def test_same_seed_same_weights(stripes):
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 2))
        torch.rand(seed + len(weights))  # fit must not depend on the state of the global generator
        fit(model, stripes, seed=seed, recipe=QUICK, progress=False)
        weights.append(model[2].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_loss_that_is_not_finite_names_step_and_rate(stripes):
    def explode(scores, labels):
        return nn.functional.cross_entropy(scores, labels) * torch.inf

    with pytest.raises(training.DivergedError, match=r"step 0, at a learning rate of 2\.00e-03"):
        fit(ResNet(2, 1, 2), stripes, seed=0, recipe=QUICK, loss_function=explode, progress=False)


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0}, {"learning_rate": float("nan")},
            {"weight_decay": -1}, {"warm_up": 1.5}]
)  # fmt: skip
def test_bad_recipes_are_named(bad):
    (name, value), *_ = bad.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        Recipe(**bad)


def test_base_network_is_trained_once_and_comes_back_equal(stripes, cache, monkeypatch):
    first = base_network(stripes, 0, width=2, recipe=QUICK)
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained again"))
    second = base_network(stripes, 0, width=2, recipe=QUICK)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert not second.training


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty", "no digest"])
def test_a_damaged_cache_file_is_made_again(stripes, cache, damage):
    first = base_network(stripes, 0, width=2, recipe=QUICK)
    (path,) = cache.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[-3] ^= 1
    elif damage == "no digest":
        training.save_file(first.state_dict(), path)
        content = path.read_bytes()
    path.write_bytes(content[: {"truncated": len(content) // 2, "empty": 0}.get(damage, len(content))])
    assert training.load_state(path) is None
    second = base_network(stripes, 0, width=2, recipe=QUICK)
    assert torch.equal(first.head.weight, second.head.weight)
    assert training.load_state(path) is not None


def test_an_interrupted_training_leaves_no_file(stripes, cache, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        base_network(stripes, 0, width=2, recipe=QUICK)
    assert not list(cache.glob("*.safetensors"))


def test_the_key_changes_with_images_seed_width_and_recipe(stripes):
    key = training.cache_key(stripes, 0, 8, QUICK)
    assert key == training.cache_key(copy.deepcopy(stripes), 0, 8, QUICK)
    stripes.train.images[5, 0, 3, 3] += 1e-3
    others = {
        training.cache_key(stripes, 0, 8, QUICK),
        training.cache_key(stripes, 1, 8, QUICK),
        training.cache_key(stripes, 0, 9, QUICK),
        training.cache_key(stripes, 0, 8, Recipe()),
    }
    assert len(others | {key}) == 5


PROCESS = """
import sys, torch
from utils import training
from utils.data import Dataset, Split
labels = torch.arange(512) % 2
split = Split(labels.float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous(), labels)
fit = training.fit
def counted(*args, **kwargs):
    open(sys.argv[1], "a").write("trained\\n")
    return fit(*args, **kwargs, progress=False)
training.fit = counted
training.base_network(Dataset("d", split, split, split, ("a", "b")), 0, width=2)
"""


def test_processes_started_together_train_once(cache, tmp_path):
    log = tmp_path / "log"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROCESS, str(log)]
    started = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    assert log.read_text() == "trained\n"


NARROW = """
import torch
from utils.data import Dataset, Split
from utils.models import ResNet
from utils.training import Recipe, fit
torch.set_num_threads(2)
split = Split(torch.rand(3 * 17, 3, 32, 32), torch.arange(51) % 2)
for width in (4, 7, 12, 14):
    fit(ResNet(width, 3, 2), Dataset("d", split, split, split, ("a", "b")), seed=0,
        recipe=Recipe(epochs=1, batch_size=17), progress=False)
print("trained")
"""


def test_narrow_networks_and_odd_batches_do_not_crash():
    """With the channels last in memory, torch 2.14.1 writes past its buffers on a CPU in just this case."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", NARROW], env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "trained\n"), run.stderr
