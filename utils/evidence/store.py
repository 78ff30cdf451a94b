"""The files of `book/evidence`: one CSV per chapter, with the hash of the code that measured it.

The first lines are comments: `hash` and `torch` (see `runner.fingerprint`), the `tolerances` that the chapter
gave, and the names recorded with `timing=True`. Then one row per dataset, seed, name and point of a sweep.
"""

import csv
import io
import json
import math
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ("glyphs", "fashion-mnist")  # what every chapter is measured on
DEFAULT_DATASET = DATASETS[0]
TYPES = {"dataset": str, "seed": int, "name": str, "at": float, "value": float}
COLUMNS = list(TYPES)


class EvidenceError(RuntimeError):
    """Stored evidence is missing, malformed, or does not hold what was asked for."""


def number(value):
    """Write a number with 8 significant digits; whole numbers (bytes, MACs) keep all of theirs."""
    value = float(value)
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return repr(float(f"{value:.8g}"))


@dataclass(frozen=True)
class Evidence:
    """The content of one evidence file: `rows` has the columns dataset, seed, name, at (NaN: none), value."""

    hash: str
    torch: str
    rows: pd.DataFrame
    tolerances: dict[str, float]
    timing: tuple[str, ...]


def path(chapter, root=ROOT):
    """Give the path of a chapter's evidence file."""
    return Path(root) / "book" / "evidence" / f"{chapter}.csv"


def chapters(root=ROOT):
    """List the chapters that have evidence."""
    files = sorted((Path(root) / "book" / "evidence").glob("*.csv"))
    return [file.stem for file in files if not file.name.endswith(".partial.csv")]


def read(chapter, root=ROOT):
    """Read a chapter's evidence.

    Args:
        chapter: the notebook's name without suffix, such as `01_background`.
        root: the folder that holds `book/`.

    Returns:
        Evidence.

    Raises:
        EvidenceError: if there is no such file, or its header or columns are not those of evidence.
    """
    file = path(chapter, root)
    if not file.exists():
        raise EvidenceError(f"There is no {file}; `make evidence CHAPTER={chapter}` measures it.")
    text = file.read_text(encoding="utf-8")
    header = dict(re.findall(r"^# (\w+): (.*)$", text, re.MULTILINE))
    try:
        table = io.StringIO(re.sub(r"\A(#.*\n)+", "", text))
        rows = pd.read_csv(table, dtype=TYPES, keep_default_na=False, na_values={"at": [""]})
        extra = json.loads(header["tolerances"]), tuple(json.loads(header["timing"]))
        return Evidence(header["hash"], header["torch"], rows[COLUMNS], *extra)
    except (KeyError, ValueError) as error:
        raise EvidenceError(
            f"{file} is not an evidence file ({error}); restore it or measure again."
        ) from error


def write(chapter, evidence, root=ROOT):
    """Write a chapter's evidence in one step, sorted, so that a reader never sees half a file."""
    rows = evidence.rows.sort_values(COLUMNS[:4], na_position="first")
    lines = [f"# hash: {evidence.hash}", f"# torch: {evidence.torch}"]
    lines += [f"# tolerances: {json.dumps(evidence.tolerances, sort_keys=True)}"]
    lines += [f"# timing: {json.dumps(sorted(evidence.timing))}", ""]
    text = io.StringIO("\n".join(lines))
    text.seek(0, io.SEEK_END)
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in rows.itertuples():
        at = "" if math.isnan(row.at) else number(row.at)
        table.writerow([row.dataset, row.seed, row.name, at, number(row.value)])
    replace(path(chapter, root), text.getvalue())


def replace(file, text):
    """Write `text` beside `file` and rename it into place."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, file)
