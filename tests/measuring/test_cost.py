"""Oracles: multiply-accumulates and bytes on paper, a clock that the test moves."""

import itertools
from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

from utils.measuring import cost
from utils.models import ResNet


def test_macs_of_a_convolution_by_hand():
    model = nn.Conv2d(3, 8, 3, padding=1)
    # each of 8 x 10 x 12 outputs sums 3 x 3 x 3 products
    assert cost.macs(model, torch.rand(1, 3, 10, 12)) == 8 * 10 * 12 * 27


def test_macs_of_a_grouped_convolution_by_hand():
    model = nn.Conv2d(8, 8, 3, padding=1, groups=4)
    # each output sees the 2 channels of its group
    assert cost.macs(model, torch.rand(1, 8, 10, 12)) == 8 * 10 * 12 * 2 * 9


def test_macs_of_a_linear_layer_by_hand():
    assert cost.macs(nn.Linear(300, 100), torch.rand(1, 300)) == 300 * 100


def test_measure_counts_parameters_zeros_macs_and_bytes(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4)).eval()
    with torch.no_grad():
        model[1].weight.view(-1)[:10] = 0
    found = cost.measure(model, torch.rand(5, 1, 2, 3), repeats=3)
    assert (found.parameters, found.nonzeros, found.macs) == (28, 18, 24)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert found.bytes == (tmp_path / "model.safetensors").stat().st_size
    assert found.bytes >= 4 * 28  # zeros are stored like any other number


def test_macs_are_per_image_whatever_the_batch():
    model = ResNet(4).eval()
    one, many = (cost.measure(model, torch.rand(n, 1, 28, 28), repeats=2).macs for n in (1, 7))
    assert one == many


class Clock:
    """A clock that stands still while nobody sleeps, so that a test does not depend on the machine."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleeper(self, *seconds):
        """A model that sleeps for `seconds`, which take turns from pass to pass."""
        turns = itertools.cycle(seconds)

        def sleep(_):
            self.now += next(turns)

        return sleep


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cost, "Timer", partial(cost.Timer, timer=clock))
    return clock


def test_latency_of_a_sleep_is_its_length(clock):
    found = cost.latency(clock.sleeper(0.004), torch.zeros(2, 1), repeats=10)
    assert found.p50 == pytest.approx(4) == found.p95
    assert found.batch_size == 2


def test_percentiles_are_those_of_single_passes(clock):
    """Two untimed passes come before each timed one, so of five turns every pass sees another."""
    passes = (0.001, 0.002, 0.003, 0.004, 0.010)
    found = cost.latency(clock.sleeper(*passes), torch.zeros(1), repeats=20)
    assert sorted(set(found.times.round(6))) == [1, 2, 3, 4, 10]
    assert found.p50 == pytest.approx(3) and found.p95 == pytest.approx(10)


def test_compare_reports_the_ratio_before_over_after(clock):
    slow, fast = clock.sleeper(0.008), clock.sleeper(0.002)
    found = cost.compare({"slow": slow, "fast": fast}, torch.zeros(1), repeats=8)
    assert found.speed_up("fast") == pytest.approx((4, 4, 4))
    assert found.speed_up("slow") == pytest.approx((1, 1, 1))


def test_compare_interleaves_and_rotates():
    order = []
    models = {name: (lambda _, name=name: order.append(name)) for name in "ab"}
    cost.compare(models, torch.zeros(1), repeats=4)
    timed = order[2 * (cost.WARM_UP + 2) :]  # after the warm-up; torch's timer runs 2 more before each pass
    assert [timed[i] for i in range(0, len(timed), 3)] == list("abbaabba")


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match="eval"):
        cost.latency(ResNet(4), torch.rand(1, 1, 28, 28))


def test_unknown_name_and_too_few_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats"):
        cost.compare({"a": print}, torch.zeros(1), repeats=1)
    with pytest.raises(ValueError, match="'b' was not timed"):
        cost.compare({"a": print}, torch.zeros(1), repeats=2).speed_up("b")


def test_shared_weights_are_counted_and_stored_once(tmp_path):
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6)).eval()
    model[1].weight = model[0].weight
    found = cost.measure(model, torch.rand(2, 6), repeats=2)
    assert (found.parameters, found.nonzeros, found.macs) == (48, 48, 72)
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "1.weight"}
    save_file(state, tmp_path / "model.safetensors")
    assert found.bytes == (tmp_path / "model.safetensors").stat().st_size


def test_parts_of_one_tensor_are_stored_whole():
    layer, whole = nn.Linear(4, 8), torch.rand(8, 4)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[0].weight, model[1].weight = nn.Parameter(whole[:4]), nn.Parameter(whole[4:])
    assert cost.file_bytes(model) >= cost.file_bytes(layer)  # names take more


@pytest.mark.parametrize("finish", [lambda layer: layer, lambda layer: prune.remove(layer, "weight")])
def test_nonzeros_of_a_network_pruned_by_torch(finish):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4)).eval()
    prune.l1_unstructured(model[1], "weight", amount=10)
    finish(model[1])
    found = cost.measure(model, torch.rand(5, 1, 2, 3), repeats=2)
    assert (found.parameters, found.nonzeros) == (28, 18)


def test_nonzeros_are_those_of_the_weights_as_computed():
    class Rectified(nn.Module):
        def forward(self, weight):
            return weight.relu()

    model = nn.Sequential(nn.Linear(4, 2)).eval()
    model[0].weight.data = torch.tensor([[1.0, -1, 2, -3], [4, 5, -6, -7]])
    nn.utils.parametrize.register_parametrization(model[0], "weight", Rectified())
    assert cost.measure(model, torch.rand(2, 4), repeats=2).nonzeros == 4 + 2
