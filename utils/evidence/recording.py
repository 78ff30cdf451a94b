"""Numbers that a chapter measures, and what its repeated runs measured.

`record` emits one number of the live run; `stored` gives the page what `runner.repeat` measured over seeds.
"""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from utils.evidence.store import DEFAULT_DATASET, ROOT, EvidenceError, number, path, read

GLUE = "application/papermill.record/"


class Interval(NamedTuple):
    """Mean, 95 % interval (Student's t), deviation and number of values; NaN where one is too few."""

    mean: float
    low: float
    high: float
    std: float
    n: int

    @property
    def word(self):
        """Say if a paired difference is "ahead", "behind" or, where its interval holds 0, "undecided"."""
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "undecided"


def interval(values):
    """Give the mean of `values` (one per seed) with its 95 % interval.

    Args:
        values: at least one finite number.

    Returns:
        Interval, in the unit of the values.
    """
    values = np.asarray(values, dtype=float)
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Interval(mean, math.nan, math.nan, math.nan, n)
    if values.min() == values.max():  # rounding in the mean would leave a spread of 1e-17
        return Interval(float(values[0]), float(values[0]), float(values[0]), 0.0, n)
    std = float(np.std(values, ddof=1))
    half = float(stdtrit(n - 1, 0.975)) * std / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, std, n)


def geometric(values):
    """Give the geometric mean of positive `values`, with the 95 % interval that their logarithms have.

    Args:
        values: at least one number above 0; factors or sizes that scatter by multiples.

    Returns:
        Interval, in the unit of the values; its deviation is a factor, 1 where all are equal.
    """
    mean, low, high, std, n = interval(np.log(np.asarray(values, dtype=float)))
    return Interval(math.exp(mean), math.exp(low), math.exp(high), math.exp(std), n)


def glue_key(name, at=None):
    """Give the key of a number: `NAME`, or `NAME@AT` at the point `at` of a sweep."""
    return name if at is None else f"{name}@{number(at)}"


def record(name, value, *, at=None, tolerance=None, timing=False):
    """Record one number of this run, so that prose can show it and repeated runs can collect it.

    The number becomes a MyST glue output with the key `live.NAME` (`live.NAME@AT` in a sweep). Nothing is
    shown, and outside IPython nothing happens.

    Args:
        name: letters, digits and underscores, beginning with a letter; say the unit in the chapter.
        value: a finite number.
        at: the x of a sweep, such as a width or a sparsity.
        tolerance: how far a rerun may move before the evidence is made again, in the unit of `value`
            (0 for exact); None for the rule of `runner.recheck`.
        timing: True for latencies and all that depends on the machine's load; they are measured in a pass
            of their own, with nothing else running.

    Raises:
        ValueError: if the name is not legal, or a number is not finite.
        TypeError: if a number is a text.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"The name {name!r} needs letters, digits and underscores, beginning with a letter.")
    row = {"name": name, "value": _finite(name, "value", value), "timing": bool(timing)}
    row["at"] = None if at is None else _finite(name, "at", at)
    row["tolerance"] = None if tolerance is None else _finite(name, "tolerance", tolerance)
    if tolerance is not None and tolerance < 0:
        raise ValueError(f"The tolerance of {name!r} is {tolerance}; give 0 or more.")
    _glue(f"live.{glue_key(name, at)}", repr(row["value"]), evidence=row)


def _finite(name, what, value):
    if isinstance(value, str):
        raise TypeError(f"The {what} of {name!r} is the text {value!r}; give a number.")
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"The {what} of {name!r} is {value}; give a finite number.")
    return value


def _glue(key, text, **metadata):
    from IPython import get_ipython  # here, because a script may have no IPython
    from IPython.display import display

    if get_ipython() is not None:
        metadata["scrapbook"] = {"name": key, "mime_prefix": GLUE}
        display({f"{GLUE}text/plain": text}, raw=True, metadata=metadata)


@dataclass(frozen=True)
class Stored:
    """What the repeated runs of a chapter measured on one dataset.

    `dataset` says whose numbers these are. `is_default` is True where the page's own dataset has no
    evidence and the default's stand in. `rows` has the columns dataset, seed, name, at (NaN: none), value.
    """

    chapter: str
    dataset: str
    is_default: bool
    rows: pd.DataFrame

    def values(self, name, at=None):
        """Give the values of `name` (at the point `at` of its sweep) as a Series, indexed by seed.

        Raises:
            EvidenceError: if nothing of that name was measured there.
        """
        rows = self.rows[self.rows["name"] == name]
        rows = rows[rows["at"].isna() if at is None else rows["at"] == float(number(at))]
        if rows.empty:
            known = ", ".join(sorted(set(self.rows["name"]))) or "none"
            raise EvidenceError(
                f"No {glue_key(name, at)!r} in the evidence of {self.chapter} on {self.dataset}; "
                f"there are: {known}. `make evidence CHAPTER={self.chapter}` measures what it records."
            )
        return rows.set_index("seed")["value"].sort_index()

    def interval(self, name, at=None):
        """Give the Interval of `name` over seeds."""
        return interval(self.values(name, at))

    def mean(self, name, at=None):
        """Give the mean of `name` over seeds."""
        return self.interval(name, at).mean

    def difference(self, name, at, other):
        """Give the Interval of `name` at one point of its sweep minus that at another, paired by seed."""
        return interval(self.values(name, at) - self.values(name, other))

    def span(self, name, at=None):
        """Write from where to where the values of `name` reach, such as "0.01 to 0.03" or "0.01"."""
        low, high = (f"{value:.2g}" for value in self.values(name, at).agg(["min", "max"]))
        return low if low == high else f"{low} to {high}"

    def sweep(self, name, *, log=False):
        """Give a sweep to draw: a DataFrame with the columns at, mean, low, high, std, n, sorted by at.

        It is empty while the chapter has no evidence at all. With `log` the means are `geometric`, for
        positive numbers on a logarithmic axis.
        """
        if self.rows.empty:
            return pd.DataFrame(columns=["at", *Interval._fields], dtype=float)
        points = sorted(self.rows.loc[self.rows["name"] == name, "at"].dropna().unique())
        if not points:
            self.values(name, 0)  # raises, and names what there is
        summary = geometric if log else interval
        return pd.DataFrame([{"at": at, **summary(self.values(name, at))._asdict()} for at in points])


def stored(chapter, dataset, *, root=ROOT):
    """Read what the repeated runs of a chapter measured, and glue it for the page's prose.

    The keys are `NAME` for the mean over seeds, `NAME.low`, `NAME.high`, `NAME.std` and `NAME.n`; a sweep has
    `NAME@AT`, `NAME.low@AT` and so on. A single seed has neither interval nor deviation. Numbers that are all
    above 0 also have `NAME.geometric`, their geometric mean. `stored.dataset` is the dataset that the numbers
    are of.

    Args:
        chapter: the notebook's name without suffix, such as `01_background`.
        dataset: the page's dataset; one without evidence gets the default's, and a line that says so.
        root: the folder that holds `book/`.

    Returns:
        Stored; without rows, after a line that says so, while the chapter has no evidence file.

    Raises:
        EvidenceError: if the file is there but malformed.
    """
    if not path(chapter, root).exists():
        print(f"{chapter} has no repeated runs yet: `make evidence CHAPTER={chapter}` makes them.")
        return Stored(
            chapter, dataset, False, pd.DataFrame(columns=["dataset", "seed", "name", "at", "value"])
        )
    rows, page = read(chapter, root).rows, dataset
    if dataset not in set(rows["dataset"]):
        dataset = DEFAULT_DATASET
        print(f"No repeated runs on {page}: the stored numbers on this page are those of {dataset}.")
    result = Stored(chapter, dataset, dataset != page, rows[rows["dataset"] == dataset])
    for (name, at), group in result.rows.groupby(["name", "at"], dropna=False):
        at = None if math.isnan(at) else at
        _glue_interval(name, at, interval(group["value"]))
        if group["value"].min() > 0:
            _glue(glue_key(f"{name}.geometric", at), repr(geometric(group["value"]).mean))
    _glue("stored.dataset", repr(dataset))
    return result


def _glue_interval(name, at, summary):
    _glue(glue_key(name, at), repr(summary.mean))
    for field in ("low", "high", "std", "n"):
        value = getattr(summary, field)
        if not math.isnan(value):
            _glue(glue_key(f"{name}.{field}", at), repr(value))
