"""Executes chapters with nbmake, on scratch copies that move into place when no cell raised."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runner import sample_folder
from runner.copies import NotebookError, chapters, executed, is_current, key
from utils.evidence.store import DEFAULT_DATASET, ROOT, replace

CELL_TIMEOUT = 1200  # seconds: the first run trains the base network


def run(names=None, dataset=DEFAULT_DATASET, root=ROOT):
    """Execute every chapter whose copy is not current, and say how long each takes.

    Args:
        names: chapters; None for all.
        dataset: what BOOK_DATASET is set to.
        root: the book's folder.

    Returns:
        The list of chapters that failed; pytest's report of each has been printed.

    Raises:
        NotebookError: if there is no such chapter.
    """
    known = chapters(root)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise NotebookError(
            f"There is no chapter {', '.join(unknown)}; there are {', '.join(known) or 'none'}."
        )
    failed = []
    for name in names or known:
        if is_current(name, dataset, root):
            print(f"{name} on {dataset}: nothing has changed, its executed copy stays.", flush=True)
            continue
        print(f"{name} on {dataset}: running", flush=True)
        start = time.monotonic()
        succeeded = _execute(name, dataset, Path(root))
        print(
            f"{name} on {dataset}: {'done' if succeeded else 'FAILED'}, {time.monotonic() - start:.0f} s",
            flush=True,
        )
        failed += [] if succeeded else [name]
    return failed


def _execute(chapter, dataset, root):
    """Run one chapter with nbmake on a scratch copy, and move the copy into place if no cell raised."""
    target, now = executed(chapter, dataset, root), key(chapter, dataset, root)
    scratch = root / ".cache" / "running"  # in the root, which the chapter looks for; nbmake ignores _build
    scratch.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".key").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy = shutil.copy(root / "notebooks" / f"{chapter}.ipynb", folder)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
        command += [
            "--nbmake",
            "--overwrite",
            "--nbmake-kernel=python3",
            f"--nbmake-timeout={CELL_TIMEOUT}",
            copy,
        ]
        environment = {**os.environ, "BOOK_DATASET": dataset, "TQDM_DISABLE": "1"}
        environment.pop("PYTEST_ADDOPTS", None)
        report = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        failed = target.with_name(f"{chapter}.failed.ipynb")
        failed.unlink(missing_ok=True)
        if report.returncode:
            print(report.stdout + report.stderr, flush=True)
            shutil.move(copy, failed)
            print(f"The copy with its outputs so far: {failed}", flush=True)
            return False
        os.replace(copy, target)
    replace(target.with_suffix(".key"), now)
    return True


def on_every_dataset(root=ROOT):
    """Execute every chapter on every dataset that needs no download, and on three folders of drawn images.

    Returns:
        The list of (dataset, chapter) that failed.
    """
    print("Drawing folders of colour images of odd sizes: four shapes, few images, easy ones.", flush=True)
    drawn = [
        sample_folder.make(root / "_build" / "folder-dataset"),
        sample_folder.make_few(root / "_build" / "folder-few"),
        sample_folder.make_easy(root / "_build" / "folder-easy"),
    ]
    datasets = [DEFAULT_DATASET, "digits", "fashion-mnist", *drawn]
    folder = Path(os.environ.get("BOOK_DATA_DIR") or root / ".data")
    if not (folder / "FashionMNIST" / "raw").is_dir():
        print(f"fashion-mnist is skipped: there is no FashionMNIST/raw in {folder} (BOOK_DATA_DIR).")
        datasets.remove("fashion-mnist")
    return [(dataset, chapter) for dataset in datasets for chapter in run(None, str(dataset), root)]
