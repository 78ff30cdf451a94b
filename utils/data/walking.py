"""The files below a folder, each once, whatever links lead back."""

import os
from collections import Counter
from pathlib import Path


def files_below(folder: str | Path, others: Counter | None = None) -> list[str]:
    """Every file in `folder` and in the folders in it, folder by folder, but for hidden ones.

    Links are followed, but each folder is read once, and none that holds the link itself or `folder`: it
    would add its files again and again. Such links are counted in `others`.

    Raises:
        OSError: if a folder may not be read.
    """
    seen, waiting, found = {os.path.realpath(folder)}, [str(folder)], {}
    while waiting:
        place = waiting.pop()
        found[place] = []
        for entry in visible(place):
            if not entry.is_dir():
                found[place].append(entry.path)
                continue
            real = os.path.realpath(entry.path)
            if real not in seen and not is_above(real, place) and not is_above(real, folder):
                seen.add(real)
                waiting.append(entry.path)
            elif others is not None:
                others["links to folders that are read already"] += 1
    return [path for place in sorted(found) for path in sorted(found[place])]


def is_above(path: str, place: str | Path) -> bool:
    """Whether `path` leads to `place` or to a folder that holds it."""
    return Path(os.path.realpath(place)).is_relative_to(os.path.realpath(path))


def visible(folder: str | Path) -> list[os.DirEntry]:
    """What `folder` holds, but for hidden things such as the `.ipynb_checkpoints` that Jupyter leaves."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    return sorted(visible, key=lambda entry: entry.name)
