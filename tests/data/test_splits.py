"""Oracles: captured batches, torch's own indexing."""

import dataclasses

import pytest
import torch
from torchvision.transforms import v2

from utils import data


def test_batches_without_generator_come_in_order():
    split = data.Split(torch.rand(10, 1, 2, 2), torch.arange(10))
    found = list(data.batches(split, 4))
    assert [len(labels) for _, labels in found] == [4, 4, 2]
    assert torch.equal(torch.cat([images for images, _ in found]), split.images)
    assert found[0][0].data_ptr() == split.images.data_ptr()  # a view: nothing is copied
    assert [len(labels) for _, labels in data.batches(split, 4, drop_last=True)] == [4, 4]
    assert [len(labels) for _, labels in data.batches(split, 5, drop_last=True)] == [5, 5]


def test_batches_with_generator_are_shuffled_the_same_way_each_time():
    split = data.Split(torch.arange(50.0).view(50, 1, 1, 1), torch.arange(50))

    def epoch(generator):
        return [
            (images.flatten().tolist(), labels.tolist())
            for images, labels in data.batches(split, 8, generator=generator)
        ]

    generator = torch.Generator().manual_seed(100)
    first, second = epoch(generator), epoch(generator)
    assert first == epoch(torch.Generator().manual_seed(100)) and first != second
    assert all(images == labels for images, labels in first)  # each image keeps its label
    assert sorted(sum((labels for _, labels in first), [])) == list(range(50))


def test_transforms_are_called_on_whole_batches():
    split = data.Split(torch.rand(10, 1, 4, 4), torch.arange(10))
    flipped = torch.cat(
        [images for images, _ in data.batches(split, 4, transform=v2.RandomHorizontalFlip(1))]
    )
    assert torch.equal(flipped, split.images.flip(3))
    with pytest.raises(ValueError, match="batch_size is 0"):
        next(data.batches(split, 0))


def test_splits_take_their_factors_along():
    split = data.Split(torch.rand(5, 1, 2, 2), torch.arange(5), {"face": torch.arange(5) * 10})
    chosen = split.take(torch.tensor([3, 1]))
    assert chosen.labels.tolist() == [3, 1] and chosen.factors["face"].tolist() == [30, 10]
    assert torch.equal(chosen.images, split.images[[3, 1]])
    moved = data.Dataset("name", split, split, split, ("a",)).to("meta")
    assert {t.device.type for t in (moved.test.images, moved.test.labels, moved.train.factors["face"])} == {
        "meta"
    }


def test_examples_start_again_where_there_are_too_few(stripes):
    example = stripes.example(100)
    assert example.shape == (100, 1, 8, 8)
    assert torch.equal(example[64:], stripes.test.images[:36])


def test_an_origin_follows_the_images_and_nothing_else():
    """What names a trained network has to change with its images, and to survive a move to a device."""
    made = data.Split(torch.rand(6, 1, 2, 2), torch.arange(6)).made_from("drawn")
    assert made.to("cpu").origin == "drawn"
    part = made.take(slice(0, 3))
    assert part.origin == made.take(torch.arange(3)).origin == made.take(made.labels < 3).origin
    origins = {made.origin, part.origin, made.take([1, 0, 2]).origin, part.take([0, 1]).origin}
    assert len(origins | {""}) == 5
    assert dataclasses.replace(made, images=made.images + 1).origin == ""
    assert data.Split(made.images, made.labels).take([0]).origin == ""
