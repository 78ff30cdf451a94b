"""Runs chapters of the Colab edition as Colab would: `python -m runner.colab_run [CHAPTER ...]`.

It checks that no package of Colab changes, set-up and first figure come in time, the setup cell may run
twice, and without network says so in one sentence. The book is that of the last commit.
"""

import argparse
import csv
import datetime
import io
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pandas as pd

from runner import colab_env
from runner.chapter_run import recorded
from runner.colab import edition
from runner.colab_session import Session, clone, unreachable
from runner.copies import chapters
from runner.recheck import deviations
from utils.evidence.store import ROOT, Evidence, path, read, replace

SETUP_SECONDS = 60
FIGURE_SECONDS = 60  # after the setup cell
AGAIN_SECONDS = 5  # for a setup cell that has nothing to do
HEADER = ["chapter", "runtime", "verified on", "set-up (s)", "first figure (s)", "whole chapter (s)"]
NO_NETWORK = "fetching the book failed; run this cell again. "


@dataclass
class Result:
    """What one chapter's run showed: times in seconds, `figure` None without one, and what went wrong."""

    chapter: str
    setup: float = 0.0
    figure: float | None = None
    whole: float = 0.0
    compared: int = 0
    moved: str = ""
    warnings: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def code_places(notebook):
    """Give the places of the code cells, and that of the setup cell."""
    places = [place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    (setup,) = [place for place in places if "setup" in notebook.cells[place].metadata.get("tags", ())]
    return places, setup


def run(chapter, root=ROOT):
    """Run one chapter from an empty folder to its end; give the Result."""
    python, before = colab_env.make(root)
    notebook = nbformat.read(edition(root) / f"{chapter}.ipynb", as_version=4)
    places, setup = code_places(notebook)
    result = Result(chapter)
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(notebook, python, folder, clone(root, folder)) as session,
    ):
        start = time.monotonic()
        for place in places:
            seconds, error = session.run(place)
            if error:
                result.faults.append(f"cell {place}: {error}")
                break
            _notice(result, notebook.cells[place], time.monotonic() - start)
            if place == setup:
                result.setup = seconds
                _again(result, session, setup, python)
                start = time.monotonic()
        result.whole = time.monotonic() - start
    _compare(result, before, colab_env.versions(python))
    if path(chapter, root).exists():
        result.compared, far = moved(notebook, chapter, root)
        result.moved = "; ".join(
            f"{row.key}: {row.stored:.4g}, here {row.now:.4g}" for row in far.itertuples()
        )
    return result


def _notice(result, cell, seconds):
    """Take from a cell's outputs when the first figure came, and what was warned of."""
    for output in cell.outputs:
        if result.figure is None and "image/png" in output.get("data", {}):
            result.figure = seconds
        if output.get("name") == "stderr" and "Warning" in output.text:
            result.warnings.append(output.text.strip()[:300])


def _again(result, session, setup, python):
    """Run the setup cell once more: nothing may change by it."""
    installed = colab_env.versions(python)
    seconds, error = session.run(setup)
    if error or seconds > AGAIN_SECONDS or colab_env.versions(python) != installed:
        result.faults.append(f"the setup cell, run again, took {seconds:.0f} s or changed packages. {error}")


def _compare(result, before, after):
    """Add to a result's faults what did not come in time, and which versions changed."""
    changed = {name: after.get(name) for name, version in before.items() if after.get(name) != version}
    if changed:
        result.faults.append(f"packages of Colab changed: {changed}")
    if result.setup > SETUP_SECONDS:
        result.faults.append(f"set-up took {result.setup:.0f} s, at most {SETUP_SECONDS} are allowed")
    if result.figure is None or result.figure > FIGURE_SECONDS:
        came = "never came" if result.figure is None else f"came after {result.figure:.0f} s"
        result.faults.append(f"the first figure {came}, at most {FIGURE_SECONDS} s are allowed")


def without_network(chapter, root=ROOT):
    """Run the setup cell of one chapter where nothing can be reached; give what is wrong with it."""
    python, _ = colab_env.make(root)
    notebook = nbformat.read(edition(root) / f"{chapter}.ipynb", as_version=4)
    _, setup = code_places(notebook)
    with tempfile.TemporaryDirectory() as folder, Session(notebook, python, folder, unreachable()) as session:
        _, error = session.run(setup)
    said = error.removeprefix("RuntimeError: ")
    return [] if said.startswith(NO_NETWORK) and "\n" not in said else [f"without network it says: {error!r}"]


def moved(notebook, chapter, root=ROOT):
    """Compare what an executed chapter recorded with seed 0 of the stored evidence.

    Returns:
        How many numbers both have, and a DataFrame of those outside their tolerance, see `runner.recheck`.
    """
    rows = recorded(notebook)
    tolerances = {row["name"]: row["tolerance"] for row in rows if row["tolerance"] is not None}
    live = Evidence("", "", pd.DataFrame(rows, columns=["name", "at", "value"]), tolerances, ())
    found = deviations(read(chapter, root), live)
    return len(found), found[(found["now"] - found["stored"]).abs() > found["tolerance"] * (1 + 1e-9)]


def drawn(root=ROOT):
    """Draw one chapter by the commit."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = chapters(root)
    return names[int(commit, 16) % len(names)]


def report(result):
    """Print a chapter's times and warnings; give its faults, with the chapter's name."""
    figure = "none" if result.figure is None else f"{result.figure:.0f} s later"
    print(f"{result.chapter}: set-up {result.setup:.0f} s, first figure {figure}, all {result.whole:.0f} s.")
    print(f"  Of {result.compared} numbers, outside the tolerance of seed 0: {result.moved or 'none'}.")
    for warning in result.warnings:
        print(f"  It warns: {warning}")
    sys.stdout.flush()
    return [f"{result.chapter}: {fault}" for fault in result.faults]


def remember(result, root=ROOT):
    """Write a chapter's row of `book/colab.csv`, which the page on Colab shows."""
    file = Path(root) / "book" / "colab.csv"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    rows = {row["chapter"]: row for row in csv.DictReader(io.StringIO(text))}
    times = [f"{seconds:.0f}" for seconds in (result.setup, result.figure, result.whole)]
    fields = [result.chapter, colab_env.runtime()[0], datetime.date.today().isoformat(), *times]
    rows[result.chapter] = dict(zip(HEADER, fields, strict=True))
    table = io.StringIO()
    writer = csv.DictWriter(table, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(rows) if name in chapters(root))
    replace(file, table.getvalue())


def main(arguments=None):
    """Command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.colab_run", description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", help="default: all")
    parser.add_argument(
        "--drawn", action="store_true", help="one chapter, drawn by the commit; writes nothing"
    )
    options = parser.parse_args(arguments)
    names = [drawn()] if options.drawn else options.chapters or chapters()
    try:
        faults = without_network(names[0])
        for name in names:
            result = run(name)
            faults += report(result)
            if not result.faults and not options.drawn:
                remember(result)
    except colab_env.ColabError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(faults) or "All is as it should be.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
