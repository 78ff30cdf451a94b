"""Runs the chapters: `python -m runner.execution run [--dataset NAME] [CHAPTER ...]`.

An executed copy lies under `_build/executed/DATASET/` with a key beside it: a hash of all that it depends on.
A chapter whose key is still the same is not run again, and one whose key differs is never shown.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from utils.evidence_file import DEFAULT_DATASET, ROOT, replace

CELL_TIMEOUT = 1200  # seconds: the first run trains the base network


class NotebookError(RuntimeError):
    """A chapter is unknown, or has no executed copy that can be shown."""


def chapters(root=ROOT):
    """List the chapters, such as `01_background`, in order."""
    return sorted(file.stem for file in (Path(root) / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def key(chapter, dataset=DEFAULT_DATASET, root=ROOT):
    """Hash all that an executed chapter depends on.

    Args:
        chapter: the notebook's name without suffix.
        dataset: a name, or a folder of images; of a folder, names, sizes and times of its files count.
        root: the book's folder.

    Returns:
        64 hexadecimal digits.
    """
    root = Path(root)
    files = [root / "notebooks" / f"{chapter}.ipynb", *sorted((root / "utils").glob("*.py"))]
    files += [root / "requirements.txt", root / "constraints.txt", root / "book" / "claims.toml"]
    files += [root / "book" / "evidence" / f"{chapter}.csv"]
    digest = hashlib.sha256(dataset.encode())
    for file in files:
        content = file.read_bytes() if file.exists() else b""
        digest.update(f"\n{file.relative_to(root)} {len(content)}\n".encode() + content)
    for file in sorted(Path(dataset).rglob("*")) if Path(dataset).is_dir() else ():
        status = file.stat()
        digest.update(f"\n{file} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def executed(chapter, dataset=DEFAULT_DATASET, root=ROOT):
    """Give the path of a chapter's executed copy; folders of images get a hash, so that no two share one."""
    name = re.sub(r"[^\w.-]", "_", Path(dataset).name)
    if name != dataset:
        name += "-" + hashlib.sha256(str(Path(dataset).resolve()).encode()).hexdigest()[:8]
    return Path(root) / "_build" / "executed" / name / f"{chapter}.ipynb"


def is_current(chapter, dataset=DEFAULT_DATASET, root=ROOT):
    """Say whether a chapter's executed copy is that of the files that stand there now."""
    copy = executed(chapter, dataset, root)
    stamp = copy.with_suffix(".key")
    return (
        copy.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == key(chapter, dataset, root)
    )


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
    """Execute every chapter on every dataset that needs no download, and on a folder of drawn images.

    Returns:
        The list of (dataset, chapter) that failed.
    """
    from runner import sample_folder

    print("Drawing a folder of colour images of odd sizes.", flush=True)
    datasets = [
        DEFAULT_DATASET,
        "digits",
        "fashion-mnist",
        sample_folder.make(root / "_build" / "folder-dataset"),
    ]
    folder = Path(os.environ.get("BOOK_DATA_DIR") or root / ".data")
    if not (folder / "FashionMNIST" / "raw").is_dir():
        print(f"fashion-mnist is skipped: there is no FashionMNIST/raw in {folder} (BOOK_DATA_DIR).")
        datasets.remove("fashion-mnist")
    return [(dataset, chapter) for dataset in datasets for chapter in run(None, str(dataset), root)]


def _absolute(dataset):
    """Make the path of a folder absolute: chapters run in another one. Names of datasets stay."""
    return str(Path(dataset).resolve()) if os.sep in dataset else dataset


def main(arguments=None):
    """Command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.execution", description="Run the chapters.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="execute what has changed")
    running.add_argument("chapters", nargs="*", help="default: all")
    commands.add_parser("test-datasets", help="execute every chapter on every dataset")
    staging = commands.add_parser("stage", help="put the pages under _build/book")
    for command in (running, staging):
        command.add_argument(
            "--dataset", default=os.environ.get("BOOK_DATASET") or DEFAULT_DATASET, type=_absolute
        )
    options = parser.parse_args(arguments)
    try:
        if options.command == "run":
            return 1 if run(options.chapters, options.dataset, options.root) else 0
        if options.command == "test-datasets":
            return 1 if on_every_dataset(options.root) else 0
        from runner.staging import stage  # here, because that module uses this one

        print(f"Staged in {stage(options.dataset, options.root)}.")
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
