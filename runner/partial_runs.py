"""Finished runs of a chapter whose evidence is still being made: `book/evidence/CHAPTER.partial.csv`.

A dictionary maps (part, dataset, seed) to the records of that run. `part` is `main` or `timing`; only numbers
recorded with `timing=True` count in the timing pass, only the others in the main pass.
"""

import csv
import io
import json
import math
from pathlib import Path

import pandas as pd

from runner.fingerprint import torch_version
from utils.evidence import store
from utils.evidence.store import COLUMNS, ROOT, Evidence, replace

FIELDS = ["part", "dataset", "seed", "record"]


def path(chapter, root=ROOT):
    """Give the path of a chapter's file of finished runs."""
    return Path(root) / "book" / "evidence" / f"{chapter}.partial.csv"


def save(chapter, code, finished, root=ROOT):
    """Write all finished runs in one step; `code` is the fingerprint that they were measured with."""
    text = io.StringIO()
    text.write(f"# hash: {code}\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(FIELDS)
    for key, records in finished.items():
        table.writerow([*key, ""])  # so that a run without records is known to be finished
        table.writerows([*key, json.dumps(record)] for record in records)
    replace(path(chapter, root), text.getvalue())


def load(chapter, code, root=ROOT):
    """Read the finished runs of this code: those of an interrupted call and those of the evidence file.

    Args:
        chapter: the notebook's name without suffix, such as `01_background`.
        code: its fingerprint; runs of other code are left aside.
        root: the folder that holds `book/`.

    Returns:
        Finished runs: (part, dataset, seed) to a list of records.
    """
    finished = _complete(chapter, code, root)
    file = path(chapter, root)
    if not file.exists():
        return finished
    first, *lines = file.read_text(encoding="utf-8").splitlines()
    if first != f"# hash: {code}":
        print(f"The code of {chapter} has changed: the runs in {file.name} are not used.")
        return finished
    interrupted = {}
    for row in csv.DictReader(lines):
        records = interrupted.setdefault((row["part"], row["dataset"], int(row["seed"])), [])
        records += [json.loads(row["record"])] if row["record"] else []
    return finished | interrupted


def _complete(chapter, code, root):
    """Take the runs out of the evidence file, if this code measured them."""
    if not store.path(chapter, root).exists():
        return {}
    stored, finished = store.read(chapter, root), {}
    if stored.hash != code:
        return {}
    for row in stored.rows.to_dict("records"):
        row["at"] = None if math.isnan(row["at"]) else row["at"]
        row["timing"] = row["name"] in stored.timing
        row["tolerance"] = stored.tolerances.get(row["name"])
        dataset, seed = row.pop("dataset"), row.pop("seed")
        for part in ("main", "timing"):
            records = finished.setdefault((part, dataset, seed), [])
            records += [row] if row["timing"] == (part == "timing") else []
    return finished


def evidence(code, finished, *, timing):
    """Put finished runs together: timings from the timing pass, the rest from the main pass.

    Args:
        code: the fingerprint that they were measured with.
        finished: as `load` gives them.
        timing: whether the chapter records timings; a run then counts once both its passes are finished.

    Returns:
        Evidence.
    """
    rows, tolerances, names = [], {}, set()
    for (part, dataset, seed), records in finished.items():
        other = ("timing" if part == "main" else "main", dataset, seed)
        for record in records if other in finished or not timing else ():
            if record["timing"] != (part == "timing"):
                continue
            rows.append({"dataset": dataset, "seed": seed, **record})
            names |= {record["name"]} if record["timing"] else set()
            tolerances |= {} if record["tolerance"] is None else {record["name"]: record["tolerance"]}
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"at": float})
    return Evidence(code, torch_version(), table, tolerances, tuple(sorted(names)))
