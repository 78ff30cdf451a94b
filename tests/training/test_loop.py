"""Oracles: torch's own optimizers and autograd, a learnable task, captured batches, a second process."""

import copy
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from utils.data.splits import Dataset, Split, batches
from utils.measuring.evaluation import accuracy
from utils.models import ResNet, seeded
from utils.training import loop
from utils.training.augmentation import random_shift
from utils.training.loop import fit
from utils.training.recipe import Recipe

QUICK = Recipe(epochs=2, batch_size=32, learning_rate=1e-2)


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


@pytest.mark.parametrize("progress", [True, False])
@pytest.mark.parametrize("step", [0, 3])
def test_a_loss_that_is_not_finite_names_step_and_rate(stripes, step, progress):
    calls = []

    def explode(scores, labels):
        calls.append(len(labels))
        return nn.functional.cross_entropy(scores, labels) * (torch.inf if len(calls) > step else 1)

    rate = 1e-2 * (step + 1) / 5  # of QUICK's 16 steps, the first five rise
    with pytest.raises(loop.DivergedError, match=rf"step {step}, at a learning rate of {rate:.2e};"):
        fit(ResNet(2, 1, 2), stripes, seed=0, recipe=QUICK, loss_function=explode, progress=progress)
    assert len(calls) == step + 1


class Rates(torch.optim.SGD):
    """Keeps the learning rate of each step."""

    def __init__(self, model, lr):
        super().__init__(model.parameters(), lr=lr)
        self.rates = []

    def step(self, closure=None):
        self.rates.append(self.param_groups[0]["lr"])
        return super().step(closure)


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))


def test_optimizer_and_schedule_take_the_place_of_the_recipes(stripes):
    model, start = linear(), linear()
    optimizer = Rates(model, lr=0.5)
    fit(
        model,
        stripes,
        seed=0,
        recipe=QUICK,
        optimizer=optimizer,
        schedule=lambda step, steps: (step % 3) * steps / 100,
        progress=False,
    )
    assert optimizer.rates == pytest.approx([0.5 * (step % 3) * 16 / 100 for step in range(16)])
    assert not torch.equal(model[1].weight, start[1].weight)


def test_a_schedule_of_0_leaves_the_weights(stripes):
    model, start = linear(), linear()
    fit(model, stripes, seed=0, recipe=QUICK, schedule=lambda *_: 0.0, progress=False)
    assert torch.equal(model[1].weight, start[1].weight)


def test_augmentation_is_the_recipes_or_the_one_given(stripes):
    known, raised = ({one.numpy().tobytes() for one in stripes.train.images + more} for more in (0, 10))

    def seen(**options):
        images, model = [], linear()
        model.register_forward_pre_hook(
            lambda _, inputs: images.extend(inputs[0]) if model.training else None
        )
        fit(model, stripes, seed=0, progress=False, **options)
        return {one.numpy().tobytes() for one in images}

    once = replace(QUICK, epochs=1)
    assert seen(recipe=once) == known
    assert len(seen(recipe=replace(once, shift=2)) & known) < 30  # 1 of 25 does not move
    assert seen(recipe=replace(once, shift=2), transform=lambda images: images + 10) == raised


def double(data):
    """The same dataset in float64, with a last batch of 26 where batches have 32."""
    parts = [Split(part.images[:250].double(), part.labels[:250]) for part in data.splits.values()]
    return Dataset(data.name, *parts, data.classes)


@pytest.mark.parametrize("normalized", [False, True])
def test_parts_of_a_batch_add_up_to_its_gradient_but_for_batch_norm(stripes, normalized):
    weights, losses = [], []
    for parts in (1, 4):
        model = linear().double()
        if normalized:
            model.insert(1, nn.BatchNorm1d(64, affine=False).double())
        history = fit(
            model, double(stripes), seed=0, recipe=replace(QUICK, accumulation=parts), progress=False
        )
        weights.append(model[-1].weight.detach())
        losses.append(torch.tensor(history.step_loss, dtype=torch.float64))
    assert len(losses[0]) == 16
    if normalized:
        assert (weights[0] - weights[1]).abs().max() > 1e-4
    else:
        torch.testing.assert_close(weights[0], weights[1], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=1e-9)


def test_parts_of_a_batch_pass_one_after_the_other(stripes):
    sizes = []

    def loss_function(logits, labels):
        sizes.append(len(labels))
        return nn.functional.cross_entropy(logits, labels)

    recipe = replace(QUICK, epochs=1, accumulation=4)
    fit(linear(), stripes, seed=0, recipe=recipe, loss_function=loss_function, progress=False)
    assert sizes == [8] * 32


@pytest.mark.parametrize("share", [0.1, 10.0])
def test_a_longer_gradient_is_shortened_to_the_bound(stripes, share):
    """One step of plain gradient descent over all images; the bound is `share` of the gradient's norm."""
    model = linear()
    images, labels = stripes.train.images, stripes.train.labels
    gradients = torch.autograd.grad(
        nn.functional.cross_entropy(model(images), labels), list(model.parameters())
    )
    norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
    expected = [p.detach() - min(1.0, share) * g for p, g in zip(model.parameters(), gradients, strict=True)]
    once = Recipe(epochs=1, batch_size=256, clip_norm=share * norm)
    plain = torch.optim.SGD(model.parameters(), lr=1.0)
    fit(model, stripes, seed=0, recipe=once, optimizer=plain, schedule=lambda *_: 1.0, progress=False)
    for mine, hand in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.detach(), hand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("answer", "epochs"), [(True, 2), (False, 4), (None, 4)])
def test_training_stops_where_after_epoch_is_true(stripes, answer, epochs):
    model, seen = linear(), []

    def after_epoch(network, history):
        assert network is model
        seen.append((len(history.loss), len(history.validation_accuracy), len(history.step_loss)))
        return answer if len(seen) == 2 else None

    history = fit(
        model, stripes, seed=0, recipe=replace(QUICK, epochs=4), after_epoch=after_epoch, progress=False
    )
    assert seen == [(n, n, 8 * n) for n in range(1, epochs + 1)]
    assert len(history.loss) == len(history.seconds) == epochs
    assert history.loss == pytest.approx(
        [sum(history.step_loss[8 * n : 8 * n + 8]) / 8 for n in range(epochs)]
    )
    assert not model.training


def test_parts_for_processes_are_together_the_batch(stripes):
    """Augmented alike: each process draws for the whole batch."""

    def seen(part):
        batches_seen, model = [], linear()

        def loss_function(logits, labels):
            batches_seen.append((model.images, labels))
            return nn.functional.cross_entropy(logits, labels)

        model.register_forward_pre_hook(lambda module, inputs: setattr(module, "images", inputs[0]))
        options = {"recipe": QUICK, "transform": lambda images: images + torch.rand(len(images), 1, 1, 1)}
        fit(model, stripes, seed=0, part=part, loss_function=loss_function, progress=False, **options)
        return batches_seen

    whole, first, second = seen((0, 1)), seen((0, 2)), seen((1, 2))
    assert len(whole) == len(first) == len(second) == 16
    for (images, labels), *shares in zip(whole, first, second, strict=True):
        assert [len(share[1]) for share in shares] == [16, 16]
        together = torch.cat([share[0] for share in shares])
        order, expected = together.flatten(1)[:, 0].argsort(), images.flatten(1)[:, 0].argsort()
        assert torch.equal(together[order], images[expected])
        assert torch.equal(torch.cat([share[1] for share in shares])[order], labels[expected])


class Strides(nn.Module):
    """Notes the strides of the images that it is given; holds other layers too."""

    def __init__(self, *layers):
        super().__init__()
        self.others = nn.ModuleList(layers)
        self.layer, self.seen = nn.Linear(64, 2), set()

    def forward(self, images):
        if self.training:
            self.seen.add(images.stride())
        return self.layer(images.flatten(1))


def as_channels_last(images):
    """The same grey images, with the strides of channels last; they count as contiguous all the same."""
    return images.as_strided(images.shape, (64, 1, 8, 1))


@pytest.mark.parametrize("transform", [None, partial(random_shift, pixels=1), as_channels_last])
@pytest.mark.parametrize(
    ("layers", "last"),
    [
        ([], False),
        ([nn.Conv2d(1, 8, 3), nn.Conv2d(8, 12, 3)], False),
        ([nn.Conv2d(1, 8, 1), nn.Conv2d(8, 16, 1)], False),
        ([nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 1)], True),
    ],
    ids=["none", "narrow", "narrow 1x1", "whole vectors"],
)
def test_channels_last_are_for_networks_of_whole_vectors_whatever_a_transform_leaves(
    stripes, transform, layers, last
):
    """Grey images are the trap: they are contiguous in two ways, and `contiguous` changes neither."""
    assert as_channels_last(torch.zeros(2, 1, 8, 8)).is_contiguous()
    network = Strides(*layers)
    fit(network, stripes, seed=0, recipe=Recipe(epochs=1), transform=transform, progress=False)
    assert network.seen == {(64, 1, 8, 1) if last else (64, 64, 8, 1)}


def test_the_layout_changes_nothing_but_rounding(stripes, monkeypatch):
    """One step over all images, so that rounding cannot grow."""
    recipe = Recipe(epochs=1, batch_size=len(stripes.train), optimizer="sgd", shift=1)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        monkeypatch.setattr(loop, "_layout", lambda model, layout=layout: layout)
        network = seeded(lambda: ResNet(8, num_classes=2), 0)
        fit(network, stripes, seed=0, recipe=recipe, progress=False)
        found.append(nn.utils.parameters_to_vector(network.parameters()))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)
