"""The chapters and their executed copies: where each lies, and whether it is current.

A copy lies under `_build/executed/DATASET/` with a key beside it: a hash of all that it depends on. A chapter
whose key is still the same is not run again, and one whose key differs is never shown.
"""

import hashlib
import os
import re
from pathlib import Path

from utils.evidence.store import DEFAULT_DATASET, ROOT


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
    files = [root / "notebooks" / f"{chapter}.ipynb", *sorted((root / "utils").rglob("*.py"))]
    files += [root / "requirements.txt", root / "constraints.txt", root / "book" / "claims.toml"]
    files += [root / "book" / "evidence" / f"{chapter}.csv"]
    digest = hashlib.sha256(dataset.encode())
    for file in files:
        content = file.read_bytes() if file.exists() else b""
        digest.update(f"\n{file.relative_to(root)} {len(content)}\n".encode() + content)
    for file in _images(dataset):
        status = os.stat(file)
        digest.update(f"\n{file} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _images(dataset):
    """The files of a folder of images, linked folders too; what cannot be opened, the chapter will name."""
    if not Path(dataset).is_dir():
        return []
    from utils.data.walking import files_below  # here, because it takes seconds, and few datasets are folders

    try:
        return [file for file in files_below(dataset) if os.path.exists(file)]
    except OSError:
        return []


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
