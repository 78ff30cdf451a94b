"""Datasets and batches: against scikit-learn's arrays, another process, and slices written out here."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from utils import data
from utils.data import glyphs, loading

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def glyph_data():
    return data.load("glyphs", seed=100, train_size=2000)


# embedded datasets


def test_glyphs_have_the_sizes_and_factors_of_the_book(glyph_data):
    assert (glyph_data.channels, glyph_data.size, glyph_data.num_classes) == (1, 28, 47)
    assert [len(glyph_data.train), len(glyph_data.validation), len(glyph_data.test)] == [2000, 5000, 10000]
    for split in (glyph_data.train, glyph_data.validation, glyph_data.test):
        assert all(len(values) == len(split) for values in split.factors.values()) and len(split.factors) == 6
    assert torch.equal(glyph_data.example(3), glyph_data.test.images[:3])
    assert loading.TRAIN == 20_000 and glyph_data.classes == glyphs.CLASSES


def test_glyph_parts_share_no_image(glyph_data):
    parts = [
        {image.numpy().tobytes() for image in part.images}
        for part in (glyph_data.train, glyph_data.validation, glyph_data.test)
    ]
    assert len(set.union(*parts)) == sum(len(part) for part in parts) == 17_000


def test_seed_changes_train_and_validation_of_glyphs_but_not_test(glyph_data):
    other = data.load("glyphs", seed=101, train_size=47)
    assert not torch.equal(other.train.images, glyph_data.train.images[:47])
    assert not torch.equal(other.validation.images, glyph_data.validation.images)
    assert torch.equal(other.test.images, glyph_data.test.images)


SCRIPT = """
import hashlib
from utils import data
from utils.data import loading
loading.VALIDATION = loading.TEST = 47
digest = hashlib.sha256()
for found in (data.load("glyphs", seed=100, train_size=47), data.load("digits", seed=100)):
    for part in (found.train, found.validation, found.test):
        digest.update(part.images.contiguous().numpy()[:47])
        digest.update(part.labels.contiguous().numpy()[:47])
print(digest.hexdigest())
"""


def test_same_bits_in_another_process(glyph_data):
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    digest = hashlib.sha256()
    for found in (glyph_data, data.load("digits", seed=100)):
        for part in (found.train, found.validation, found.test):
            digest.update(part.images.contiguous().numpy()[:47])
            digest.update(part.labels.contiguous().numpy()[:47])
    assert run.stdout.strip() == digest.hexdigest()


def test_digits_are_scikit_learns_brought_to_28():
    found = data.load("digits", seed=100)
    assert [len(found.train), len(found.validation), len(found.test)] == [1000, 297, 500]
    assert (found.channels, found.size, found.num_classes) == (1, 28, 10)
    pixels, targets = load_digits(return_X_y=True)
    centres = (np.arange(28) + 0.5) * 8 / 28 - 0.5  # of the new pixels, in old ones
    weights = np.stack([np.interp(centres, np.arange(8), row) for row in np.eye(8)])  # [8, 28]
    expected = np.einsum("nij,ia,jb->nab", pixels.reshape(-1, 8, 8) / 16, weights, weights)
    parts = (found.train, found.validation, found.test)
    images = torch.cat([part.images for part in parts])[:, 0].numpy()
    labels = torch.cat([part.labels for part in parts]).numpy()
    flat = (torch.from_numpy(x.reshape(1797, -1)).double() for x in (expected, images))
    nearest = torch.cdist(*flat).argmin(1).numpy()
    assert sorted(nearest) == list(range(1797))  # each image once, in one part
    assert np.allclose(expected, images[nearest], atol=1e-5) and (targets == labels[nearest]).all()


def test_digits_test_is_fixed_and_the_rest_follows_the_seed():
    first, second = data.load("digits", seed=100), data.load("digits", seed=101)
    assert torch.equal(first.test.images, second.test.images)
    assert not torch.equal(first.train.images, second.train.images)
    assert not torch.equal(first.validation.images, second.validation.images)


# training sizes and names


def test_a_smaller_training_set_is_the_beginning_of_a_larger_one():
    small, large = (data.load("digits", seed=100, train_size=size) for size in (100, 1000))
    assert torch.equal(small.train.images, large.train.images[:100])
    assert torch.equal(small.validation.images, large.validation.images)
    assert small.train.labels.bincount(minlength=10).min() >= 9


@pytest.mark.parametrize("size", [0, -5, 9, 1001, 10.0, "many", True])
def test_training_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match=r"train_size is .*digits .* from 10 .* to 1,000, or None for all"):
        data.load("digits", train_size=size)


def test_train_size_none_takes_all():
    found = data.load("digits", train_size=None)
    assert len(found.train) == 1797 - 500 - 297
    with pytest.raises(ValueError, match="glyphs"):
        data.load("glyphs", train_size=10**9)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'glyfs'; choose glyphs, digits, fashion-mnist, mnist, cifar10, or"):
        data.load("glyfs")
    with pytest.raises(ValueError, match="choose glyphs"):
        data.load("")


def test_the_origin_changes_with_what_the_training_images_are_made_from(glyph_data):
    """And with nothing else: validation and test images name no network."""
    origins = [
        glyph_data.train.origin,
        data.load("glyphs", seed=101, train_size=47).train.origin,
        data.load("glyphs", seed=101, train_size=48).train.origin,
        data.load("digits", seed=100).train.origin,
        data.load("digits", seed=101).train.origin,
        data.load("digits", seed=101, train_size=100).train.origin,
    ]
    assert len({*origins, ""}) == 7
    assert data.load("digits", seed=100).train.origin == origins[3]


def test_the_origin_changes_with_the_generator_of_the_glyphs(monkeypatch):
    before = data.load("glyphs", seed=100, train_size=47).train.origin
    monkeypatch.setattr(loading, "code_digest", lambda *files: "other code")
    assert data.load("glyphs", seed=100, train_size=47).train.origin != before
