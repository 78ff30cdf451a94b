"""Shows how far chapters are: a bar for each on a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm

FORMAT = "{desc} {bar} {n}/{total} cells, {elapsed} passed, about {remaining} left"
PAUSE = 30  # seconds between two plain lines of a chapter


class Progress:
    """How far one chapter is.

    Args:
        label: such as `01_background on glyphs`.
        cells: how many there are.
        place: the bar's line on the terminal, from 0.
        file: where to write; by default the standard error.
    """

    def __init__(self, label, cells, place=0, file=None):
        self.label, self.cells, self.done = label, cells, 0
        self.file = file or sys.stderr
        self.start = self.said = time.monotonic()
        options = {"bar_format": FORMAT, "position": place, "leave": False, "ncols": 100, "file": self.file}
        self.bar = tqdm(total=cells, desc=label, **options) if self.file.isatty() else None

    def update(self, done):
        """Say that `done` cells are finished, on a bar at once and in lines now and then."""
        now, new = time.monotonic(), done - self.done
        self.done = done
        if self.bar is not None:
            self.bar.update(new)
            self.bar.refresh()  # so that the clock goes on within a long cell
        elif now - self.said >= PAUSE and done:
            passed = now - self.start
            left = passed / done * (self.cells - done)
            times = f"{passed:.0f} s passed, about {left:.0f} s left"
            print(f"{self.label}: {done} of {self.cells} cells, {times}", file=self.file, flush=True)
            self.said = now

    def close(self):
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
