"""What a dataset is made of: splits with images, labels and factors, and batches of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from utils.source import digest


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Args:
        images: `[N, C, H, W]` float32 in 0 to 1.
        labels: `[N]` int64.
        factors: glyphs only, each `[N]`: "character", "face", "family", "bold", "slant" and "angle", as
            `glyphs.draw` describes them.

    Raises:
        ValueError: if there is not one label, and one value of each factor, for each image.

    Attributes:
        origin: what the images were made from, as a text that is the same on every machine, where the pixels
            may differ in their last bit; it names trained networks. Empty for a split made by hand, and for
            one that `dataclasses.replace` changed.
    """

    images: Tensor
    labels: Tensor
    factors: dict[str, Tensor] = field(default_factory=dict)
    origin: str = field(default="", init=False, compare=False)

    def __post_init__(self):
        for name, values in {"labels": self.labels, **self.factors}.items():
            if len(values) != len(self.images):
                counts = f"{len(self.images):,} images and {len(values):,} {name}"
                raise ValueError(f"there are {counts}; give one for each image")

    def __len__(self) -> int:
        return len(self.labels)

    def made_from(self, origin: str) -> "Split":
        """The same split with `origin`."""
        made = Split(self.images, self.labels, self.factors)
        object.__setattr__(made, "origin", origin)  # no argument of Split, so that `replace` drops it
        return made

    def to(self, device) -> "Split":
        """The same split on `device`."""
        factors = {name: values.to(device) for name, values in self.factors.items()}
        return Split(self.images.to(device), self.labels.to(device), factors).made_from(self.origin)

    def take(self, indices) -> "Split":
        """The images at `indices`: integers or a mask `[N]`, or a slice."""
        factors = {name: values[indices] for name, values in self.factors.items()}
        taken = Split(self.images[indices], self.labels[indices], factors)
        if not self.origin:
            return taken
        places = torch.arange(len(self))[indices.cpu() if isinstance(indices, Tensor) else indices]
        return taken.made_from(digest(self.origin, places.tolist()))


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
