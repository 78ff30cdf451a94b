"""Puts the book's pages, with the executed chapters, under `_build/book`, for jupyter-book to render."""

import re
import shutil
from pathlib import Path

from runner.copies import NotebookError, chapters, executed, is_current
from utils.evidence.store import DEFAULT_DATASET, ROOT, replace

EXECUTE = re.compile(r"^(\s*execute_notebooks\s*:\s*)[\"']?\w+[\"']?", re.MULTILINE)


def stage(dataset=DEFAULT_DATASET, root=ROOT):
    """Mirror the root's pages in `_build/book`, where notebooks are the executed copies and nothing runs.

    Args:
        dataset: whose executed copies to show.
        root: the book's folder.

    Returns:
        Path of the staged folder; files that have not changed keep their times, so that only what has changed
        is rendered again.

    Raises:
        NotebookError: if a chapter has no executed copy of its present state.
    """
    root = Path(root)
    old = [name for name in chapters(root) if not is_current(name, dataset, root)]
    if old:
        raise NotebookError(
            f"No current executed copy of {', '.join(old)} on {dataset}; `make run` makes it."
        )
    target = root / "_build" / "book"
    sources = {Path("notebooks", f"{name}.ipynb"): executed(name, dataset, root) for name in chapters(root)}
    pages = [*root.glob("*.md"), *root.glob("LICENSE*"), *root.glob("*.cff"), root / "_toc.yml"]
    pages += [file for file in (root / "book").rglob("*") if "__pycache__" not in file.parts]
    sources |= {file.relative_to(root): file for file in pages if file.is_file()}
    for name, source in sources.items():
        _copy(source, target / name)
    _configure(root / "_config.yml", target / "_config.yml")
    for file in sorted(target.rglob("*")):
        if file.is_file() and file.relative_to(target) not in {*sources, Path("_config.yml")}:
            file.unlink()
    return target


def _copy(source, target):
    """Copy with its time what is not there yet, or differs."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copy2(source, target)


def _configure(source, target):
    """Copy the configuration with `execute_notebooks` switched off."""
    text, count = EXECUTE.subn(r"\1'off'", source.read_text(encoding="utf-8"))
    if count != 1:
        raise NotebookError(f"{source} should have one line `execute_notebooks:`; it has {count}.")
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        replace(target, text)
