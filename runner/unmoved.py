"""Renews hashes after a change that moves no number: `python -m runner.unmoved BEFORE CHAPTER ...`.

A rerun on another processor differs from the stored runs as another seed would, whatever the code does. So
after a change that should move nothing, the code of an earlier checkout, which measured the evidence, and
today's code both run here, seed 0 on glyphs: where every number is equal, the evidence is today's as well.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from runner import repeat
from runner.chapter_run import Run
from runner.fingerprint import fingerprint, notebook_path
from runner.recheck import SEED, came_or_went
from utils.evidence.recording import glue_key
from utils.evidence.store import DEFAULT_DATASET, ROOT, EvidenceError, number, read, write

ASK = "import sys; from runner.fingerprint import matches; sys.exit(not matches(sys.argv[1]))"


def measured_by(before, chapter):
    """Say whether a chapter's evidence in the checkout `before` is that of its code, by its own reckoning."""
    return subprocess.run([sys.executable, "-c", ASK, chapter], cwd=before, check=False).returncode == 0


def numbers(trees, chapter, *, full=True):
    """Run a chapter of several checkouts at the same time, each with one thread.

    Args:
        trees: folders with `notebooks/` and `utils/`.
        chapter: the notebook's name without suffix.
        full: whether long sweeps run whole.

    Returns:
        For each folder a dictionary of number to (value as it would be stored, the tolerance that the chapter
        gave to `record`, or 0), without timings.

    Raises:
        EvidenceError: if a run fails.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for place, tree in enumerate(trees):
            file = str(notebook_path(chapter, Path(tree).resolve()))
            scratch = str(Path(folder) / str(place))
            runs.append(Run(file, scratch, "main", DEFAULT_DATASET, SEED, os.getpid(), full))
        for result in repeat.results(runs, jobs=len(runs)):
            if result.error:
                raise EvidenceError(f"{result.run.notebook} failed: {result.error}")
            kept = [record for record in result.records if not record["timing"]]
            found[result.run.notebook] = {
                glue_key(r["name"], r["at"]): (float(number(r["value"])), r["tolerance"] or 0.0) for r in kept
            }
    return [found[run.notebook] for run in runs]


def differences(old, new):
    """List, in words, which numbers are not equal, came or went.

    Where the chapter itself gave a tolerance, that is allowed: an ONNX file holds the paths of the code.
    """
    lines = came_or_went(old.keys(), new.keys())
    for key in old.keys() & new.keys():
        (was, _), (now, allowed) = old[key], new[key]
        if abs(now - was) > allowed:
            lines.append(f"{key}: {number(was)} before, {number(now)} now")
    return lines


def renew(before, chapter, root=ROOT, *, full=True):
    """Give a chapter's evidence the hash of today's code, if that moves no number on this machine.

    Args:
        before: a checkout whose code measured the evidence.
        chapter: the notebook's name without suffix.
        root: the book's folder, whose evidence is still the same.
        full: whether long sweeps run whole.

    Returns:
        True if the hash was renewed.

    Raises:
        EvidenceError: if the evidence of `before` is not that of its code, or not today's, or a run fails.
    """
    stored = read(chapter, root)
    if not measured_by(before, chapter) or not read(chapter, before).rows.equals(stored.rows):
        raise EvidenceError(f"{before} is not the code that measured today's evidence of {chapter}.")
    old, new = numbers([before, root], chapter, full=full)
    lines = differences(old, new)
    if lines:
        print("\n  ".join([f"{chapter}: the change moves numbers.", *lines]))
        return False
    write(chapter, dataclasses.replace(stored, hash=fingerprint(chapter, root)), root)
    print(f"{chapter}: all {len(new)} numbers are equal before and after; the hash is renewed.")
    return True


def main(arguments=None):
    """Command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.unmoved", description=__doc__.split(":")[0])
    parser.add_argument("before", type=Path, help="a checkout whose code measured the evidence")
    parser.add_argument("chapters", nargs="+", help="such as 01_background")
    parser.add_argument("--short", action="store_true", help="leave FULL off: minutes, not half an hour")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    try:
        done = [
            renew(options.before, name, options.root, full=not options.short) for name in options.chapters
        ]
    except EvidenceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
