"""Fixtures that more than one test module uses."""

import pytest
import torch

from utils.data.splits import Dataset, Split


@pytest.fixture
def stripes():
    """A dataset that a few steps learn: is the bright half above or below? 8x8 pixels, 2 classes."""

    def split(count, seed):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.arange(count) % 2
        images = 0.3 * torch.rand(count, 1, 8, 8, generator=generator)
        images[labels == 0, :, :4] += 0.6
        images[labels == 1, :, 4:] += 0.6
        return Split(images, labels)

    return Dataset("stripes", split(256, 0), split(64, 1), split(64, 2), ("above", "below"))
