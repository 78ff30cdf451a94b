"""The datasets of this book, all in memory: `load("glyphs")`, `load("mnist")`, `load("my/folder")`."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Generator, Tensor

from utils import glyphs, stratified
from utils.downloads import SOURCES, DataError, Images, read_source
from utils.folders import read_folder

__all__ = ["DEFAULT_SIZE", "NAMES", "DataError", "Dataset", "Split", "batches", "load"]

NAMES = ("glyphs", "digits", *SOURCES)
DEFAULT_SIZE: Literal["default"] = "default"
TRAIN, VALIDATION, TEST = 20_000, 5_000, 10_000  # images; digits and folders have sizes of their own
DIGITS_TRAIN, DIGITS_VALIDATION, DIGITS_TEST = 1_000, 297, 500
FOLDER_VALIDATION = 0.15  # share of a folder's training images
MOST_GLYPHS = 200_000  # 630 MB


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Args:
        images: `[N, C, H, W]` float32 in 0 to 1.
        labels: `[N]` int64.
        factors: glyphs only, each `[N]`: "character", "face", "family", "bold", "slant" and "angle", as
            `glyphs.draw` describes them.
    """

    images: Tensor
    labels: Tensor
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device) -> "Split":
        """The same split on `device`."""
        factors = {name: values.to(device) for name, values in self.factors.items()}
        return Split(self.images.to(device), self.labels.to(device), factors)

    def take(self, indices) -> "Split":
        """The images at `indices`: integers or a mask `[N]`, or a slice."""
        factors = {name: values[indices] for name, values in self.factors.items()}
        return Split(self.images[indices], self.labels[indices], factors)


@dataclass(frozen=True)
class Dataset:
    """Train, validation and test part. Choose on validation; look at test once per reported number."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return self.train.images.shape[1]

    @property
    def size(self) -> int:
        """Height and width of the images in pixels."""
        return self.train.images.shape[2]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def splits(self) -> dict[str, Split]:
        """The three parts by name: "train", "validation", "test"."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def example(self, n: int) -> Tensor:
        """The first `n` test images `[n, C, H, W]`, from the start again where there are fewer."""
        return self.test.images[torch.arange(n) % len(self.test)]

    def to(self, device) -> "Dataset":
        """The same dataset on `device`."""
        parts = (part.to(device) for part in (self.train, self.validation, self.test))
        return Dataset(self.name, *parts, self.classes)


def load(
    name: str = "glyphs",
    *,
    seed: int = 0,
    train_size: int | None | Literal["default"] = DEFAULT_SIZE,
    data_dir: str | Path | None = None,
) -> Dataset:
    """Load a dataset into memory.

    Args:
        name: "glyphs" or "digits", which are embedded; "fashion-mnist", "mnist" or "cifar10", which are
            downloaded where they are not in `data_dir`; or the path of a folder that holds
            `train/<class>/*` and `test/<class>/*`. A path that is no existing folder needs a `/` in it.
        seed: drives which images are for training and which for validation. Test images stay the same.
        train_size: images to train on, at least one per class; a smaller size is the beginning of a larger
            one. By default 20,000, for digits 1,000, for a folder all. None takes all that validation leaves
            (for glyphs, which never end, the default).
        data_dir: where the well-known datasets are; by default the environment variable `BOOK_DATA_DIR`, and
            without it `.data/` in the book's root.

    Returns:
        Dataset on the CPU. Each part holds the classes in their proportions.

    Raises:
        ValueError: if there is no such dataset, or the training size does not fit it.
        DataError: if the dataset's files are missing or damaged.
    """
    name = os.fspath(name)
    if name == "glyphs":
        return _load_glyphs(seed, train_size)
    if name == "digits":
        return _divide(name, _read_digits(), seed, train_size, DIGITS_TRAIN, DIGITS_VALIDATION)
    if name in SOURCES:
        data_dir = data_dir or os.environ.get("BOOK_DATA_DIR") or Path(__file__).parents[1] / ".data"
        images = read_source(name, Path(data_dir).expanduser().resolve())
        return _divide(name, images, seed, train_size, TRAIN, VALIDATION)
    if "/" in name or os.sep in name or os.path.isdir(name):
        images = read_folder(Path(name).expanduser())
        return _divide(name, images, seed, train_size, None, FOLDER_VALIDATION)
    raise ValueError(
        f"There is no dataset {name!r}; choose {', '.join(NAMES)}, or the path of a folder of images."
    )


def batches(
    split: Split,
    batch_size: int,
    *,
    generator: Generator | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through a split once, batch by batch.

    Args:
        split: its tensors are sliced; nothing is loaded.
        batch_size: images per batch, 1 or more.
        generator: on the CPU; shuffles the images. Without it they come in order.
        transform: called on each batch of images, such as one of `torchvision.transforms.v2`.
        drop_last: leave out a last batch that is not full.

    Yields:
        images `[B, C, H, W]` and labels `[B]`.

    Raises:
        ValueError: if the batch size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it has to be 1 or more")
    order = None
    if generator is not None:
        order = torch.randperm(len(split), generator=generator).to(split.labels.device)
    for start in range(0, len(split), batch_size):
        chosen = slice(start, start + batch_size) if order is None else order[start : start + batch_size]
        images, labels = split.images[chosen], split.labels[chosen]
        if drop_last and len(labels) < batch_size:
            return
        yield (images if transform is None else transform(images)), labels


def _load_glyphs(seed: int, train_size) -> Dataset:
    default = TRAIN if train_size is None else train_size
    count = _checked_size("glyphs", default, TRAIN, MOST_GLYPHS, len(glyphs.CLASSES))
    train = Split(*glyphs.draw(count, _generator("glyphs train", seed)))
    validation = Split(*glyphs.draw(VALIDATION, _generator("glyphs validation", seed)))
    test = Split(*glyphs.draw(TEST, _generator("glyphs test", 0)))
    return Dataset("glyphs", train, validation, test, glyphs.CLASSES)


def _read_digits() -> Images:
    pixels, targets = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16
    images = F.interpolate(images, (glyphs.SIZE, glyphs.SIZE), mode="bilinear", align_corners=False)
    labels = torch.from_numpy(targets).long()
    order = stratified.order(labels, _generator("digits test", 0))
    test, rest = order[:DIGITS_TEST], order[DIGITS_TEST:].sort().values
    return Images(images[rest], labels[rest], images[test], labels[test], tuple("0123456789"))


def _divide(
    name: str, data: Images, seed: int, train_size, default: int | None, validation: int | float
) -> Dataset:
    train, held_out = stratified.divide(data.labels, validation, _generator("split", seed))
    default = len(train) if default is None else default
    train = train[: _checked_size(name, train_size, default, len(train), len(data.classes))]
    parts = (Split(_scaled(data.images[chosen]), data.labels[chosen]) for chosen in (train, held_out))
    return Dataset(name, *parts, Split(_scaled(data.test_images), data.test_labels), data.classes)


def _checked_size(name: str, train_size, default: int, most: int, least: int) -> int:
    if train_size is None:
        return most
    if train_size == DEFAULT_SIZE:
        return default
    if not isinstance(train_size, int) or not least <= train_size <= most:
        raise ValueError(
            f"train_size is {train_size!r}; for {name} it has to be a whole number from {least:,} (one image "
            f"per class) to {most:,}, or None for all"
        )
    return train_size


def _generator(purpose: str, seed: int) -> Generator:
    """A generator whose numbers have nothing to do with those of another purpose or seed."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _scaled(images: Tensor) -> Tensor:
    return images.float() / 255 if images.dtype == torch.uint8 else images
