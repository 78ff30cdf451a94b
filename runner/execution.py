"""Executes chapters with nbmake, several at once, on scratch copies that move into place when no cell raised.

Each chapter has one thread: two threads of one process wait for each other, and where another program takes
one of the cores, they are slower than one alone. Cells that time something run alone (`runner.cell_watch`).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from runner import kernel, sample_folder
from runner.chapter_run import ONE_THREAD
from runner.copies import NotebookError, chapters, executed, is_current, key
from runner.progress import Progress
from utils.evidence.store import DEFAULT_DATASET, ROOT, replace

CELL_TIMEOUT = 4 * 3600  # seconds: a slow machine gets its time
GLANCE = 0.5  # seconds between two looks at how far a chapter is


@dataclass(frozen=True)
class Outcome:
    """What came of a chapter: pytest's `report`, empty where no cell raised."""

    seconds: float
    report: str = ""


def run(names=None, dataset=DEFAULT_DATASET, root=ROOT, jobs=None):
    """Execute every chapter whose copy is not current, and say how long each takes.

    Args:
        names: chapters; None for all.
        dataset: what BOOK_DATASET is set to.
        root: the book's folder.
        jobs: chapters at a time, each with one thread; None for one a core.

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
    waiting = []
    for name in names or known:
        if is_current(name, dataset, root):
            print(f"{name} on {dataset}: nothing has changed, its executed copy stays.", flush=True)
        else:
            waiting.append(name)
    failed = []
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        running = {}
        for place, name in enumerate(waiting):
            running[pool.submit(_execute, name, dataset, Path(root), place)] = name
        for future in as_completed(running):
            name, outcome = running[future], future.result()
            word = "FAILED" if outcome.report else "done"
            _say(f"{outcome.report}{name} on {dataset}: {word}, {outcome.seconds:.0f} s")
            failed += [name] if outcome.report else []
    return failed


def _say(text):
    """Print a line above the bars, at once."""
    tqdm.write(text)
    sys.stdout.flush()


def _execute(chapter, dataset, root, place):
    """Run one chapter on a scratch copy, and move the copy into place if no cell raised."""
    target, now, start = executed(chapter, dataset, root), key(chapter, dataset, root), time.monotonic()
    scratch = root / ".cache" / "running"  # in the root, which the chapter looks for; nbmake ignores _build
    scratch.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".key").unlink(missing_ok=True)
    _say(f"{chapter} on {dataset}: running")
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy = Path(shutil.copy(root / "notebooks" / f"{chapter}.ipynb", folder))
        report = _watched(copy, f"{chapter} on {dataset}", dataset, root, place)
        failed = target.with_name(f"{chapter}.failed.ipynb")
        failed.unlink(missing_ok=True)
        if report:
            shutil.move(copy, failed)
            report += f"\nThe copy with its outputs so far: {failed}\n"
            return Outcome(time.monotonic() - start, report)
        os.replace(copy, target)
    replace(target.with_suffix(".key"), now)
    return Outcome(time.monotonic() - start)


def _watched(copy, label, dataset, root, place):
    """Let nbmake execute `copy` in place, and show how far it is; give pytest's report if a cell raised."""
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    count = sum(cell["cell_type"] == "code" and bool(cell["source"]) for cell in cells)
    finished = copy.with_suffix(".progress")
    finished.touch()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    command += ["-p", "runner.cell_watch", "--nbmake", "--overwrite", "--nbmake-kernel=python3"]
    command += [f"--nbmake-timeout={CELL_TIMEOUT}", str(copy)]
    with copy.with_suffix(".report").open("w+", encoding="utf-8") as report:
        options = {"cwd": root, "env": _environment(dataset, root, finished), "stdout": report}
        child = subprocess.Popen(command, stderr=subprocess.STDOUT, **options)
        progress = Progress(label, count, place)
        while child.poll() is None:
            time.sleep(GLANCE)
            progress.update(finished.read_text().count("\n"))
        progress.close()
        report.seek(0)
        return report.read() if child.returncode else ""


def _environment(dataset, root, finished):
    """The variables of a chapter's process."""
    environment = {**os.environ, **ONE_THREAD, "BOOK_DATASET": dataset, "TQDM_DISABLE": "1"}
    environment |= kernel.environment(root)
    environment["BOOK_PROGRESS"] = str(finished)
    environment["BOOK_TURN"] = str(root / ".cache" / "turn.lock")
    environment |= {"BOOK_PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    return environment


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
