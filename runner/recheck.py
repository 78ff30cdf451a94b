"""Checks evidence whose code has changed by one rerun: `python -m runner.recheck [CHAPTER ...]`.

Seed 0 on glyphs runs again. Where every number stays within its tolerance, the evidence file gets the new
hash; else the evidence has to be made again.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import pandas as pd

from runner import partial_runs, repeat
from runner.fingerprint import fingerprint
from utils.evidence import claims
from utils.evidence.recording import glue_key
from utils.evidence.store import DEFAULT_DATASET, ROOT, EvidenceError, chapters, number, read, write

EXACT = ("bytes", "macs", "parameters")
POINTS = ("accuracy", "drop", "gain", "gap", "spread", "inflation", "error", "points")
SEED = 0


def tolerance(name, values, given=None):
    """Give how far a rerun of one number may move, in its own unit.

    Args:
        name: its last word, without digits at its end, decides: bytes, macs and parameters are exact; what
            is in points (see POINTS) may move by 0.5 at least.
        values: the stored values over seeds; three of their standard deviations are allowed.
        given: the tolerance that the chapter gave to `record`, which overrides the rule.

    Returns:
        A number, 0 for exact.
    """
    last = name.rpartition("_")[2].rstrip("0123456789")
    if given is not None or last in EXACT:
        return given or 0.0
    deviation = pd.Series(values).std() if len(values) > 1 else 0.0
    return max(3 * deviation, 0.5 if last in POINTS else 0.0)


def _keyed(rows):
    """Index rows by the key of their number: `NAME` or `NAME@AT`."""
    keys = [
        glue_key(name, None if pd.isna(at) else at) for name, at in zip(rows["name"], rows["at"], strict=True)
    ]
    return rows.assign(key=keys)


def moved(stored, rerun):
    """List, in words, which numbers of a rerun on glyphs left their tolerance.

    Args:
        stored: Evidence of the chapter.
        rerun: Evidence of the rerun; timings are not compared here, see `changed_verdicts`.

    Returns:
        A list of sentences; empty if nothing moved.
    """
    rows = _keyed(stored.rows[stored.rows["dataset"] == DEFAULT_DATASET])
    old = rows[rows["seed"] == SEED].set_index("key")["value"]
    new = _keyed(rerun.rows).set_index("key")["value"]
    if old.empty:
        return [f"seed {SEED} on {DEFAULT_DATASET} is not in the stored evidence"]
    lines = [f"{key} is no longer recorded" for key in old.index.difference(new.index)]
    lines += [f"{key} is new" for key in new.index.difference(old.index)]
    for key in old.index.intersection(new.index):
        name = key.partition("@")[0]
        if name in stored.timing:
            continue
        given = rerun.tolerances.get(name)
        allowed = tolerance(name, rows.loc[rows["key"] == key, "value"], given)
        written = float(number(new[key]))  # compared as it would be stored, so that "exact" can be met
        if abs(written - old[key]) > allowed * (1 + 1e-9):
            lines.append(f"{key}: stored {number(old[key])}, now {number(written)}, tolerance {allowed:.3g}")
    return lines


def changed_verdicts(chapter, stored, rerun, root=ROOT):
    """List the claims on glyphs whose verdict changes when a rerun's timings take the place of the stored."""
    replaced = stored.rows["name"].isin(stored.timing) & (stored.rows["seed"] == SEED)
    kept = stored.rows[~(replaced & (stored.rows["dataset"] == DEFAULT_DATASET))]
    mixed = pd.concat([kept, rerun.rows[rerun.rows["name"].isin(stored.timing)]])
    lines = []
    for claim in claims.claims(root):
        if claim.chapter == chapter:
            was, now = (claims.judge(claim, rows, DEFAULT_DATASET).verdict for rows in (stored.rows, mixed))
            lines += [f"claim {claim.id}: it was {was!r}, with the new timings {now!r}"] if was != now else []
    return lines


def rerun(chapter, root=ROOT):
    """Run seed 0 on glyphs again, timings in a pass of their own.

    Returns:
        Evidence of that run.

    Raises:
        EvidenceError: if the run fails.
    """
    finished, timing = {}, repeat.records_timing(chapter, root)
    for part in ("main", "timing") if timing else ("main",):
        for result in repeat.results(repeat.plan(chapter, part, [DEFAULT_DATASET], [SEED], root), jobs=1):
            if result.error:
                raise EvidenceError(f"The rerun of {chapter} failed: {result.error}")
            finished[result.run.key] = result.records
    return partial_runs.evidence(fingerprint(chapter, root), finished, timing=timing)


def check(chapter, root=ROOT):
    """Check one chapter's evidence, and renew its hash where a rerun agrees with it.

    Returns:
        True if the evidence is that of the code, or agrees with it.

    Raises:
        EvidenceError: if there is no evidence, or the rerun fails.
    """
    stored = read(chapter, root)
    if stored.hash == fingerprint(chapter, root):
        print(f"{chapter}: the code is the one that measured the evidence.")
        return True
    print(f"{chapter}: the code has changed; seed {SEED} on {DEFAULT_DATASET} runs again.", flush=True)
    again = rerun(chapter, root)
    lines = moved(stored, again) + changed_verdicts(chapter, stored, again, root)
    if lines:
        print("\n  ".join([f"{chapter}: the evidence no longer fits the code.", *lines]))
        print(f"`make evidence CHAPTER={chapter}` measures it again.")
        return False
    write(chapter, dataclasses.replace(stored, hash=again.hash, torch=again.torch), root)
    print(f"{chapter}: every number is within its tolerance; the hash is renewed.")
    return True


def main(arguments=None):
    """Command line of `make evidence-check`; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.recheck", description="Check stored evidence.")
    parser.add_argument("chapters", nargs="*", help="default: all that have evidence")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    try:
        names = options.chapters or chapters(options.root)
        results = [check(chapter, options.root) for chapter in names]
        if not names:
            print("There is no stored evidence yet.")
    except (EvidenceError, claims.ClaimError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
