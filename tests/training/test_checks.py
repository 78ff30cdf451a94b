"""Trainings that fail late, or in the words of torch, are refused before a step; others are let through."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from utils.data.splits import Split
from utils.training import loop
from utils.training.loop import fit
from utils.training.recipe import Recipe

QUICK = Recipe(epochs=1, batch_size=32)


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))


def normed():
    """A batch norm that sees one value of each channel and image."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def changed(data, images=None, labels=None, part="train"):
    """`data` with the images or labels of a part changed by a function."""
    split = data.splits[part]
    images = split.images if images is None else images(split.images)
    labels = split.labels if labels is None else labels(split.labels)
    return replace(data, **{part: Split(images, labels)})


def refused(model, data, *words, recipe=QUICK, **options):
    """Whether `fit` refuses in one sentence, and has trained nothing by then."""
    before = copy.deepcopy(model.state_dict())

    def loss_function(logits, labels):
        pytest.fail("there was a step")

    if options.pop("watched", False):
        options["loss_function"] = loss_function
    with pytest.raises(ValueError) as error:
        fit(model, data, seed=0, recipe=recipe, progress=False, **options)
    message = str(error.value)
    assert all(word in message for word in words) and "\n" not in message, message
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("part", ["train", "validation"])
def test_labels_from_1_are_refused(stripes, part):
    data = changed(stripes, labels=lambda labels: labels + 1, part=part)
    refused(linear(), data, f"data.{part}.labels run from 1 to 2, but 2 classes are numbered from 0 to 1")
    data = changed(stripes, labels=lambda labels: labels - 1, part=part)
    refused(linear(), data, f"data.{part}.labels run from -1 to 0")


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.float32, torch.bool])
def test_labels_of_another_type_are_refused(stripes, dtype):
    data = changed(stripes, labels=lambda labels: labels.to(dtype))
    refused(linear(), data, f"data.train.labels are {dtype}; convert them by labels.long()")


def test_labels_of_another_shape_are_refused(stripes):
    data = changed(stripes, labels=lambda labels: nn.functional.one_hot(labels, 2))
    refused(linear(), data, "data.train.labels have the shape (256, 2); give one number an image")


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_images_of_another_type_are_refused(stripes, part, dtype):
    data = changed(stripes, images=lambda images: (255 * images).to(dtype), part=part)
    words = (
        f"data.{part}.images are {dtype} and the weights of the model torch.float32",
        "images.to(torch.float32)",
    )
    refused(linear(), data, *words)
    assert linear()(stripes.train.images[:1]).shape == (1, 2)


def test_64_bits_for_both_and_a_network_that_converts_by_itself_are_let_through(stripes):
    double = {name: Split(part.images.double(), part.labels) for name, part in stripes.splits.items()}
    fit(linear().double(), replace(stripes, **double), seed=0, recipe=QUICK, progress=False)
    model = linear()
    model.register_forward_pre_hook(lambda _, inputs: inputs[0].float() / 255)
    bytes_ = {n: Split((255 * p.images).byte(), p.labels) for n, p in stripes.splits.items()}
    fit(model, replace(stripes, **bytes_), seed=0, recipe=QUICK, progress=False)


def test_a_loss_of_ones_own_takes_other_labels(stripes):
    def distance(logits, targets):
        return (logits[:, 0] - targets).square().mean()

    data = changed(stripes, labels=lambda labels: labels.float())
    history = fit(linear(), data, seed=0, recipe=QUICK, loss_function=distance, progress=False)
    assert len(history.step_loss) == 8


def test_unequal_numbers_are_refused_where_they_meet():
    images, labels = torch.rand(5, 1, 8, 8), torch.arange(4)
    with pytest.raises(ValueError, match="there are 5 images and 4 labels; give one for each image"):
        Split(images, labels)
    with pytest.raises(ValueError, match="there are 5 images and 4 face; give one"):
        Split(images, torch.arange(5), {"face": labels})


def test_a_part_without_images_is_refused(stripes):
    for part in ("train", "validation"):
        empty = replace(stripes, **{part: stripes.splits[part].take(slice(0, 0))})
        refused(linear(), empty, f"data.{part} holds no images")


@pytest.mark.parametrize(
    "count, options",
    [
        (33, {"batch_size": 32}),  # a last batch of one
        (1, {"batch_size": 32}),
        (8, {"batch_size": 1}),
        (37, {"batch_size": 32, "accumulation": 4}),  # parts of 2, 2 and 1
        (32, {"batch_size": 32, "accumulation": 32}),
    ],
)
def test_a_single_image_in_front_of_a_batch_norm_is_refused(stripes, count, options):
    data = replace(stripes, train=stripes.train.take(slice(0, count)))
    refused(normed(), data, "a single image", "'2'", recipe=Recipe(epochs=1, **options), watched=True)


def test_a_share_of_a_single_image_is_refused(stripes):
    data = replace(stripes, train=stripes.train.take(slice(0, 34)))
    refused(normed(), data, "a single image", part=(0, 2), watched=True)


def test_a_single_image_of_many_pixels_is_let_through(stripes):
    """A batch norm over images has a variance where the image has pixels."""
    spatial = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))
    data = replace(stripes, train=stripes.train.take(slice(0, 33)))
    for model in (spatial, linear()):
        assert len(fit(model, data, seed=0, recipe=QUICK, progress=False).step_loss) == 2
    assert not spatial[1]._forward_pre_hooks


def test_a_look_at_one_image_changes_nothing(stripes, monkeypatch):
    """Nor the statistics of a batch norm, nor the random numbers of a dropout: weights are as without it."""
    data = replace(stripes, train=stripes.train.take(slice(0, 33)))
    parts = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 36, 2)
    model, other = nn.Sequential(*parts), copy.deepcopy(nn.Sequential(*parts))
    fit(model, data, seed=0, recipe=QUICK, progress=False)
    monkeypatch.setattr(loop, "check", lambda *arguments, **options: None)
    fit(other, data, seed=0, recipe=QUICK, progress=False)
    theirs = other.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in model.state_dict().items())
