"""The book's claims, tested over seeds: reads `book/claims.toml` and gives verdicts from `book/evidence`.

A claim holds on a dataset where the 95 % interval of its margin, over paired seeds, lies above 0.
`runner.verdicts` prints the verdicts, or writes them into the file.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from utils.evidence.claims_html import Page, html
from utils.evidence.claims_text import with_verdicts
from utils.evidence.margins import evaluate, names, parse
from utils.evidence.recording import Interval, interval
from utils.evidence.store import COLUMNS, DATASETS, ROOT, path, read, replace

FIELDS = ("id", "chapter", "says", "margin", "unit")
HISTORY = ("since", "replaces")
MINIMUM_SEEDS = 5


class ClaimError(ValueError):
    """An entry of `book/claims.toml` cannot be read or computed."""


@dataclass(frozen=True)
class Claim:
    """One claim: it holds where `margin`, in `unit`, is above 0. `verdict` maps datasets to words.

    `since` says what changed it and when, `replaces` gives the id of a claim that it puts better; both may
    be empty.
    """

    id: str
    chapter: str
    says: str
    margin: str
    unit: str
    verdict: dict[str, str] = field(default_factory=dict)
    since: str = ""
    replaces: str = ""

    @property
    def history(self):
        """What its reader should know of its past, in a sentence or two; empty for most."""
        said = [f"Replaces {self.replaces}."] if self.replaces else []
        return " ".join([*said, self.since]).strip()


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of one claim on one dataset; `margin` is None where it was not measured."""

    claim: Claim
    dataset: str
    margin: Interval | None
    verdict: str


def claims(root=ROOT):
    """Read every claim of the book.

    Returns:
        A list of Claim, in the order of the file; their margins are legal expressions.

    Raises:
        ClaimError: if the file is not TOML, a field is missing or no text, an id repeats or is replaced and
            not there, or a margin is not legal.
    """
    file = Path(root) / "book" / "claims.toml"
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")).get("claim", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ClaimError(f"{file} cannot be read as TOML: {error}.") from error
    found = {}
    for position, entry in enumerate(entries, start=1):
        claim = _claim(position, entry)
        if claim.id in found:
            raise ClaimError(f"The id {claim.id!r} stands twice in {file}; give each claim its own.")
        found[claim.id] = claim
    for claim in found.values():
        if claim.replaces and claim.replaces not in found.keys() - {claim.id}:
            raise ClaimError(f"Claim {claim.id!r} replaces {claim.replaces!r}, no other claim of {file}.")
    return list(found.values())


def _claim(position, entry):
    """Give the Claim of an entry of the file, which is the `position`-th."""
    missing = [name for name in FIELDS if not isinstance(entry.get(name), str)]
    if missing:
        label = entry.get("id", f"number {position}")
        raise ClaimError(f"Claim {label!r} has no {', '.join(missing)}; give each as a text.")
    try:
        parse(entry["margin"])
    except ValueError as error:
        raise ClaimError(f"The margin of claim {entry['id']!r} is not legal: {error}.") from error
    fields = {name: entry[name] for name in FIELDS}
    return Claim(**fields, verdict=dict(entry.get("verdict", {})), **_history(entry))


def _history(entry):
    """Give `since` and `replaces` of an entry, where it has them."""
    history = {name: entry[name] for name in HISTORY if name in entry}
    for name, text in history.items():
        if not isinstance(text, str) or not text.strip():
            raise ClaimError(f"Claim {entry['id']!r} has the {name} {text!r}; give it as a text.")
    return history


def margins(claim, rows, dataset):
    """Compute a claim's margin for every seed of a dataset that has all of its names.

    Args:
        claim: Claim.
        rows: DataFrame with the columns dataset, seed, name, at, value; points of sweeps do not count.
        dataset: a name in the column dataset.

    Returns:
        A list of numbers in the claim's unit, by seed; empty where a name was not measured.

    Raises:
        ClaimError: if the margin divides by zero, or takes the logarithm of a number that is not above 0.
    """
    expression, found = parse(claim.margin), []
    rows = rows[(rows["dataset"] == dataset) & rows["at"].isna() & rows["name"].isin(names(expression))]
    for seed, group in rows.groupby("seed"):
        values = dict(zip(group["name"], group["value"], strict=True))
        if values.keys() >= names(expression):
            try:
                found.append(evaluate(expression, values))
            except ZeroDivisionError:
                where = f"on {dataset}, seed {seed}"
                raise ClaimError(f"The margin of claim {claim.id!r} divides by zero {where}.") from None
            except ValueError as error:
                where = f"on {dataset}, seed {seed}"
                raise ClaimError(f"The margin of claim {claim.id!r} is none {where}: {error}.") from None
    return found


def judge(claim, rows, dataset):
    """Give the Verdict of a claim on one dataset, from the rows of its chapter's evidence."""
    values = margins(claim, rows, dataset)
    if not values:
        return Verdict(claim, dataset, None, "not measured")
    summary = interval(values)
    word = "holds" if summary.low > 0 else "does not hold" if summary.high < 0 else "undecided"
    return Verdict(claim, dataset, summary, word if summary.n >= MINIMUM_SEEDS else "undecided")


def verdicts(root=ROOT):
    """Compute the verdict of every claim on glyphs, fashion-mnist and what else its chapter was run on.

    Returns:
        A list of Verdict, claim by claim.

    Raises:
        ClaimError: if a claim cannot be read or computed.
    """
    found = []
    for claim in claims(root):
        measured = path(claim.chapter, root).exists()
        rows = read(claim.chapter, root).rows if measured else pd.DataFrame(columns=COLUMNS)
        datasets = dict.fromkeys([*DATASETS, *sorted(set(rows["dataset"]))])
        found += [judge(claim, rows, dataset) for dataset in datasets]
    return found


def _by_claim(root):
    """Group the recomputed verdicts: claim to dictionary of dataset to verdict, in the order of the file."""
    found = {claim.id: {} for claim in claims(root)}
    for item in verdicts(root):
        found[item.claim.id][item.dataset] = item.verdict
    return found


def stale(root=ROOT):
    """List, in words, where a stored verdict differs from the recomputed one."""
    computed, lines = _by_claim(root), []
    for claim in claims(root):
        now = computed[claim.id]
        for dataset in dict.fromkeys([*now, *claim.verdict]):
            if claim.verdict.get(dataset) != now.get(dataset):
                was = claim.verdict.get(dataset, "nothing")
                lines.append(
                    f"{claim.id} on {dataset}: stored {was}, recomputed {now.get(dataset, 'nothing')}"
                )
    return lines


def update(root=ROOT):
    """Write the recomputed verdicts into `book/claims.toml`; all else in the file stays.

    Raises:
        ValueError: if the file's layout does not allow it; the file is then left as it was.
    """
    file = Path(root) / "book" / "claims.toml"
    replace(file, with_verdicts(file.read_text(encoding="utf-8"), list(_by_claim(root).values())))


def show(chapter, dataset=None, root=ROOT):
    """Show a chapter's claims on its page: for each dataset the verdict and the margin, then the claim.

    Args:
        chapter: the notebook's name without suffix, such as `01_background`.
        dataset: one dataset, or None for all.
        root: the folder that holds `book/`.

    Returns:
        A text that a notebook shows as HTML; empty if the chapter has no claims.
    """
    rows = {}
    for item in verdicts(root):
        if item.claim.chapter == chapter and dataset in (None, item.dataset):
            rows.setdefault(item.claim.id, []).append(item)
    return Page(html(list(rows.values())))
