"""Speeds of this machine: `python -m runner.bench`. Figures to look at, not limits that a test could hold."""

import os
import time

import torch

from utils.data import glyphs, load
from utils.models import ResNet, seeded
from utils.training import Recipe, fit

ROUNDS = 3  # the best counts: others may have been disturbed


def best(action):
    """Give the seconds of the fastest of a few calls."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def figures(images=4000):
    """Measure what takes long when the book is built.

    Args:
        images: how many to draw, and to train on for one epoch.

    Returns:
        Name of a figure to its value.
    """
    found = {"cores": os.cpu_count()}
    generator = torch.Generator().manual_seed(100)
    found["glyphs drawn a second"] = images / best(lambda: glyphs.draw(images, generator))
    data, usual = load("glyphs", seed=100, train_size=images), torch.get_num_threads()
    for threads in sorted({1, os.cpu_count()}):
        torch.set_num_threads(threads)
        model = seeded(lambda: ResNet(32), 100)
        seconds = best(lambda: fit(model, data, seed=100, recipe=Recipe(epochs=1), progress=False))  # noqa: B023
        found[f"images trained on a second, {threads} threads"] = images / seconds
    torch.set_num_threads(usual)
    return found


if __name__ == "__main__":
    for name, value in figures().items():
        print(f"{name:45} {value:10,.0f}")
