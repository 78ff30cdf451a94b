"""Draws the picture of README and landing page from the stored evidence: `python -m runner.picture`."""

import hashlib
from pathlib import Path

import matplotlib.pyplot as plt

from utils import plotting
from utils.evidence.recording import Stored
from utils.evidence.store import ROOT, path, read

CHAPTER = "01_background"
PANELS = {
    "macs": ("million MACs per image", 1e-6),
    "latency": ("ms per image", 1),
}


def digest(root: Path = ROOT) -> str:
    """What the picture is drawn from, in 64 hexadecimal digits; it stands in the picture's metadata."""
    return hashlib.sha256(path(CHAPTER, root).read_bytes()).hexdigest()


def draw(target: Path, root: Path = ROOT) -> None:
    """Write the picture: accuracy against cost for the six widths, on each dataset of the evidence.

    Args:
        target: an SVG or PNG file.
        root: the book's folder.
    """
    rows = read(CHAPTER, root).rows
    with plt.rc_context({**plotting.STYLE, "svg.hashsalt": "lean-models"}):
        figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.8), sharey=True)
        for index, dataset in enumerate(dict.fromkeys(rows["dataset"])):
            found = Stored(CHAPTER, dataset, False, rows[rows["dataset"] == dataset])
            accuracy = found.sweep("width_accuracy")
            for axis, (name, (label, unit)) in zip(axes, PANELS.items(), strict=True):
                x = unit * found.sweep(f"width_{name}")["mean"]
                axis.plot(x, accuracy["mean"], plotting.MARKERS[index] + "-", label=dataset)
                axis.fill_between(x, accuracy["low"], accuracy["high"], alpha=0.25)
                axis.set_xlabel(label)
                plotting.log_scale(axis.xaxis)
        axes[0].set_ylabel("test accuracy (points)")
        axes[0].legend()
        metadata = {"Description": f"evidence {digest(root)}"}
        if target.suffix == ".svg":
            metadata["Date"] = None  # or the same picture would differ every day
        figure.savefig(target, facecolor="white", metadata=metadata)
        plt.close(figure)


if __name__ == "__main__":
    for name in ("tradeoff.svg", "preview.png"):  # where links to the book are shared, only PNG is shown
        draw(ROOT / "book" / "_static" / name)
