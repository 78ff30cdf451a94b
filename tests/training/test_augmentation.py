"""Oracles: single images moved by hand, pixel by pixel at their edges; torch.roll in the inside."""

import pytest
import torch

from utils.training.augmentation import random_shift


def random_images(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def by_hand(image, down, right):
    """Image `[C, H, W]` with its content moved by whole pixels; what comes in repeats the edge."""
    _, height, width = image.shape
    rows = [min(max(row - down, 0), height - 1) for row in range(height)]
    columns = [min(max(column - right, 0), width - 1) for column in range(width)]
    return image[:, rows][:, :, columns]


def moves(images, shifted, pixels):
    """For each image, the moves (down, right) that explain it."""
    steps = range(-pixels, pixels + 1)
    return [
        [(d, r) for d in steps for r in steps if torch.equal(by_hand(image, d, r), result)]
        for image, result in zip(images, shifted, strict=True)
    ]


@pytest.mark.parametrize("shape", [(20, 1, 6, 6), (20, 3, 6, 6), (20, 2, 5, 8), (1, 1, 4, 4)])
def test_every_image_is_a_shift_of_itself(shape):
    images = random_images(*shape)
    torch.manual_seed(1)
    shifted = random_shift(images, 2)
    assert shifted.shape == images.shape and shifted.dtype == images.dtype
    assert [len(found) for found in moves(images, shifted, 2)] == [1] * len(images)


def test_the_inside_is_that_of_roll():
    images = random_images(12, 3, 9, 9)
    torch.manual_seed(2)
    shifted = random_shift(images, 2)
    for image, result, [move] in zip(images, shifted, moves(images, shifted, 2), strict=True):
        assert torch.equal(torch.roll(image, move, (1, 2))[:, 2:-2, 2:-2], result[:, 2:-2, 2:-2])


def test_edges_are_continued():
    ramp = torch.arange(5.0).expand(40, 1, 5, 5).contiguous()  # the value is the column
    torch.manual_seed(3)
    shifted = random_shift(ramp, 3)
    moved = {tuple(image[0, 0].tolist()) for image in shifted}
    assert moved == {tuple(torch.arange(-m, 5.0 - m).clamp(0, 4).tolist()) for m in range(-3, 4)}


def test_images_move_on_their_own_and_to_every_place_equally_often():
    image = torch.zeros(1, 1, 7, 7)
    image[..., 3, 3] = 1
    torch.manual_seed(4)
    places = random_shift(image.expand(9000, 1, 7, 7), 1).flatten(1).argmax(1)
    counts = torch.bincount(places, minlength=49).view(7, 7)
    assert counts[2:5, 2:5].sum() == 9000
    assert counts[2:5, 2:5].min() > 850 and counts[2:5, 2:5].max() < 1150  # 1,000 expected, deviation 30


def test_colours_move_together():
    grey = random_images(10, 1, 6, 6)
    torch.manual_seed(5)
    shifted = random_shift(torch.cat([grey, grey + 1, grey + 2], 1), 2)
    assert torch.equal(shifted[:, 1], shifted[:, 0] + 1) and torch.equal(shifted[:, 2], shifted[:, 0] + 2)


def test_no_pixels_no_change():
    images = random_images(4, 3, 5, 5)
    before = images.clone()
    assert torch.equal(random_shift(images, 0), images)
    random_shift(images, 2)
    assert torch.equal(images, before)  # the caller's images are left alone


def test_the_seed_decides():
    images = random_images(16, 1, 8, 8)
    results = []
    for seed in (6, 6, 7):
        torch.manual_seed(seed)
        results.append(random_shift(images, 3))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_more_pixels_than_the_image_has():
    image = random_images(1, 1, 3, 3)
    torch.manual_seed(8)
    shifted = random_shift(image.expand(20, 1, 3, 3), 4)
    assert shifted.shape == (20, 1, 3, 3)
    assert all(moves(image.expand(20, 1, 3, 3), shifted, 4))


def test_gradients_pass():
    images = random_images(2, 1, 4, 4).requires_grad_()
    random_shift(images, 1).sum().backward()
    assert images.grad.sum() == 2 * 16


@pytest.mark.parametrize("pixels", [-1, -3])
def test_negative_pixels_are_refused(pixels):
    with pytest.raises(ValueError, match=f"pixels is {pixels}; it has to be 0 or more"):
        random_shift(torch.zeros(1, 1, 4, 4), pixels)
