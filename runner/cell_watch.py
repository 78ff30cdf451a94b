"""Watches a chapter while nbmake executes it: a pytest plugin, `pytest -p runner.cell_watch --nbmake ...`.

Chapters run several at once. A cell that times something waits until no cell of another chapter runs, and
runs alone; all others run side by side. Each finished cell leaves a line in the file `BOOK_PROGRESS`.
"""

import os
import re
from pathlib import Path

import nbmake.nb_run
from filelock import ReadWriteLock
from nbclient import NotebookClient

TIMES = re.compile(r"timing=True|\bcost\.(?:measure|compare|latency)\(|\bby_layer\(")


def times_something(source):
    """Say whether a cell measures time: what it measures must not be that of two chapters at once."""
    return bool(TIMES.search(source))


class WatchedClient(NotebookClient):
    """nbmake's client, which holds a lock while a cell runs and reports each finished one."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.turn = ReadWriteLock(os.environ["BOOK_TURN"])

    async def async_execute_cell(self, cell, cell_index, *arguments, **options):
        """Execute a cell when it is its turn."""
        if cell.cell_type != "code" or not cell.source.strip():
            return await super().async_execute_cell(cell, cell_index, *arguments, **options)
        with self.turn.write_lock() if times_something(cell.source) else self.turn.read_lock():
            done = await super().async_execute_cell(cell, cell_index, *arguments, **options)
        with Path(os.environ["BOOK_PROGRESS"]).open("a") as progress:
            progress.write(f"{cell_index}\n")
        return done


def pytest_configure():
    """Put the watched client in nbmake's place; hide from the kernel what makes this module importable."""
    nbmake.nb_run.NotebookClient = WatchedClient
    os.environ.pop("PYTHONPATH", None)
    if paths := os.environ.pop("BOOK_PYTHONPATH", ""):
        os.environ["PYTHONPATH"] = paths
