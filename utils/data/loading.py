"""The datasets of this book, all in memory: `load("glyphs")`, `load("mnist")`, `load("my/folder")`."""

import os
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from utils.data import glyphs, stratified
from utils.data.downloads import SOURCES, Images, read_source
from utils.data.folders import read_folder
from utils.data.splits import Dataset, Split
from utils.source import code_digest, digest

ROOT = Path(__file__).parents[2]
NAMES = ("glyphs", "digits", *SOURCES)
DEFAULT_SIZE: Literal["default"] = "default"
TRAIN, VALIDATION, TEST = 20_000, 5_000, 10_000  # images; digits and folders have sizes of their own
DIGITS_TRAIN, DIGITS_VALIDATION, DIGITS_TEST = 1_000, 297, 500
FOLDER_VALIDATION = 0.15  # share of a folder's training images
MOST_GLYPHS = 200_000  # 630 MB


def load(
    name: str = "glyphs",
    *,
    seed: int = 0,
    train_size: int | None | Literal["default"] = DEFAULT_SIZE,
    data_dir: str | Path | None = None,
    least: int = 2,
) -> Dataset:
    """Load a dataset into memory.

    Args:
        name: "glyphs" or "digits", which are embedded; "fashion-mnist", "mnist" or "cifar10", which are
            downloaded where they are not in `data_dir`; or the path of a folder that holds
            `train/<class>/*` and `test/<class>/*`. A path counts from where the program runs, and where
            that leads nowhere from the book's root; `~` is the home folder.
        seed: drives which images are for training and which for validation. Test images stay the same.
        train_size: images to train on, at least one per class; a smaller size is the beginning of a larger
            one. By default 20,000, for digits 1,000, for a folder all. None takes all that validation leaves
            (for glyphs, which never end, the default).
        data_dir: where the well-known datasets are; by default the environment variable `BOOK_DATA_DIR`, and
            without it `.data/` in the book's root.
        least: training images that each class of a folder has to have, and half as many to test on; 2 or
            more, of which validation takes one.

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
        data_dir = data_dir or os.environ.get("BOOK_DATA_DIR") or ROOT / ".data"
        images = read_source(name, Path(data_dir).expanduser().resolve())
        return _divide(name, images, seed, train_size, TRAIN, VALIDATION)
    folder = Path(name).expanduser()
    if not os.path.exists(folder) and (ROOT / folder).is_dir():
        folder = ROOT / folder  # a chapter runs in a folder of its own
    if "/" in name or os.sep in name or (name and os.path.isdir(folder)):
        images = read_folder(folder, least=least)
        return _divide(name, images, seed, train_size, None, FOLDER_VALIDATION)
    raise ValueError(
        f"There is no dataset {name!r}; choose {', '.join(NAMES)}, or the path of a folder of images."
    )


def _load_glyphs(seed: int, train_size) -> Dataset:
    default = TRAIN if train_size is None else train_size
    count = _checked_size("glyphs", default, TRAIN, MOST_GLYPHS, len(glyphs.CLASSES))
    train = Split(*glyphs.draw(count, stratified.generator("glyphs train", seed)))
    validation = Split(*glyphs.draw(VALIDATION, stratified.generator("glyphs validation", seed)))
    test = Split(*glyphs.draw(TEST, stratified.generator("glyphs test", 0)))
    code = code_digest(glyphs.__file__, stratified.__file__)
    train = train.made_from(digest("glyphs", code, glyphs.fonts_digest(), seed, count))
    return Dataset("glyphs", train, validation, test, glyphs.CLASSES)


def _read_digits() -> Images:
    pixels, targets = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16
    images = F.interpolate(images, (glyphs.SIZE, glyphs.SIZE), mode="bilinear", align_corners=False)
    labels = torch.from_numpy(targets).long()
    order = stratified.order(labels, stratified.generator("digits test", 0))
    test, rest = order[:DIGITS_TEST], order[DIGITS_TEST:].sort().values
    parts = images[rest], labels[rest], images[test], labels[test]
    return Images(*parts, tuple("0123456789"), digest("digits", pixels.tolist(), targets.tolist()))


def _divide(
    name: str, data: Images, seed: int, train_size, default: int | None, validation: int | float
) -> Dataset:
    train, held_out = stratified.divide(data.labels, validation, stratified.generator("split", seed))
    default = len(train) if default is None else default
    train = train[: _checked_size(name, train_size, default, len(train), len(data.classes))]
    parts = [Split(_scaled(data.images[chosen]), data.labels[chosen]) for chosen in (train, held_out)]
    code = code_digest(stratified.__file__)
    parts[0] = parts[0].made_from(digest(data.origin, code, validation, seed, len(train)))
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


def _scaled(images: Tensor) -> Tensor:
    return images.float() / 255 if images.dtype == torch.uint8 else images
