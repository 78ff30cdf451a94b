"""Random draws: generators by purpose, and divisions that hold the classes in their proportions."""

import hashlib

import torch
from torch import Generator, Tensor


def generator(purpose: str, seed: int) -> Generator:
    """A generator whose numbers have nothing to do with those of another purpose or seed."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def order(labels: Tensor, generator: Generator) -> Tensor:
    """A random order in which every beginning holds the classes in their proportions, up to rounding.

    Args:
        labels: `[N]` int64, from 0.
        generator: on the CPU.

    Returns:
        `[N]` int64, each index once.
    """
    return _interleaved(labels, _ranks(labels, generator))


def divide(labels: Tensor, held_out: int | float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Divide the indices of a set into those to train on and those held out.

    Args:
        labels: `[N]` int64, from 0.
        held_out: an int is how many are held out; a float in 0 to 1 is the share of each class, rounded, but
            at least one image of each.
        generator: on the CPU.

    Returns:
        indices to train on and indices held out, both int64, disjoint, and both in an order whose every
        beginning holds the classes in their proportions.
    """
    ranks = _ranks(labels, generator)
    ordered = _interleaved(labels, ranks)
    if isinstance(held_out, int):
        return ordered[held_out:], ordered[:held_out]
    out = ranks < (held_out * labels.bincount()).round().clamp(min=1)[labels]
    return ordered[~out[ordered]], ordered[out[ordered]]


def _ranks(labels: Tensor, generator: Generator) -> Tensor:
    """Each image's place, from 0, in a random order of its class, `[N]`."""
    by_class = torch.randperm(len(labels), generator=generator)
    by_class = by_class[labels[by_class].argsort(stable=True)]  # class after class, each shuffled
    counts = labels.bincount()
    ranks = torch.empty_like(labels)
    ranks[by_class] = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[by_class]]
    return ranks


def _interleaved(labels: Tensor, ranks: Tensor) -> Tensor:
    return ((ranks + 0.5) / labels.bincount()[labels]).argsort(stable=True)
