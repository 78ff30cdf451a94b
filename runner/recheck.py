"""Checks evidence whose code has changed by one rerun: `python -m runner.recheck [CHAPTER ...]`.

Seed 0 on glyphs runs again. Where every number stays within its tolerance, the evidence file gets the new
hash; else the evidence has to be made again.
"""

import argparse
import dataclasses
import os
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
SHOWN = 5  # numbers of a rerun that are printed where it agrees


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


def deviations(stored, rerun):
    """Compare each number of a rerun on glyphs with the stored one.

    Args:
        stored: Evidence of the chapter.
        rerun: Evidence of the rerun; timings are not compared here, see `changed_verdicts`.

    Returns:
        DataFrame with a row for each number that both have: key, stored, now (as it would be stored, so that
        "exact" can be met), tolerance.
    """
    rows = _keyed(stored.rows[stored.rows["dataset"] == DEFAULT_DATASET])
    old = rows[rows["seed"] == SEED].set_index("key")["value"]
    new = _keyed(rerun.rows).set_index("key")["value"]
    found = []
    for key in old.index.intersection(new.index):
        name = key.partition("@")[0]
        if name not in stored.timing:
            values = rows.loc[rows["key"] == key, "value"]
            allowed = tolerance(name, values, rerun.tolerances.get(name))
            found.append((key, old[key], float(number(new[key])), allowed))
    return pd.DataFrame(found, columns=["key", "stored", "now", "tolerance"])


def moved(stored, rerun):
    """List, in words, which numbers of a rerun on glyphs left their tolerance, came or went.

    Args:
        stored: Evidence of the chapter.
        rerun: Evidence of the rerun.

    Returns:
        A list of sentences; empty if nothing moved.
    """
    rows = stored.rows[(stored.rows["dataset"] == DEFAULT_DATASET) & (stored.rows["seed"] == SEED)]
    if rows.empty:
        return [f"seed {SEED} on {DEFAULT_DATASET} is not in the stored evidence"]
    old, new = (pd.Index(_keyed(part)["key"]) for part in (rows, rerun.rows))
    lines = came_or_went(set(old), set(new))
    for row in deviations(stored, rerun).itertuples():
        if abs(row.now - row.stored) > row.tolerance * (1 + 1e-9):
            lines.append(_described(row))
    return lines


def came_or_went(old, new):
    """List, in words, which of two sets of numbers' keys only one holds."""
    lines = [f"{key} is no longer recorded" for key in sorted(old - new)]
    return lines + [f"{key} is new" for key in sorted(new - old)]


def _described(row):
    return f"{row.key}: stored {number(row.stored)}, now {number(row.now)}, tolerance {row.tolerance:.3g}"


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


def rerun(names, root=ROOT):
    """Run seed 0 on glyphs again, several chapters at a time, and then their timings one after the other.

    Args:
        names: chapters.
        root: the book's folder.

    Returns:
        Chapter to the Evidence of its run.

    Raises:
        EvidenceError: if a run fails.
    """
    timed = [name for name in names if repeat.records_timing(name, root)]
    finished = {name: {} for name in names}
    for part, chosen, jobs in (("main", names, os.cpu_count()), ("timing", timed, 1)):
        plans = [repeat.plan(name, part, [DEFAULT_DATASET], [SEED], root) for name in chosen]
        for result in repeat.results([run for runs in plans for run in runs], jobs=jobs):
            name = Path(result.run.notebook).stem
            if result.error:
                raise EvidenceError(f"The rerun of {name} failed: {result.error}")
            print(f"{name}, {part} pass: {result.seconds:.0f} s", flush=True)
            finished[name][result.run.key] = result.records
    return {
        name: partial_runs.evidence(fingerprint(name, root), finished[name], timing=name in timed)
        for name in names
    }


def check(names, root=ROOT):
    """Check the evidence of chapters, and renew the hash of each with which a rerun agrees.

    Args:
        names: chapters.
        root: the book's folder.

    Returns:
        True if all evidence is that of the code, or agrees with it.

    Raises:
        EvidenceError: if there is no evidence, or a rerun fails.
    """
    stored = {name: read(name, root) for name in names}
    changed = []
    for name in names:
        if stored[name].hash == fingerprint(name, root):
            print(f"{name}: the code is the one that measured the evidence.")
        else:
            print(f"{name}: the code has changed; seed {SEED} on {DEFAULT_DATASET} runs again.", flush=True)
            changed.append(name)
    again = rerun(changed, root) if changed else {}
    return all([_renewed(name, stored[name], again[name], root) for name in changed])


def _renewed(chapter, stored, again, root):
    """Renew the hash of a chapter if its rerun agrees with what is stored; say what does not."""
    lines = moved(stored, again) + changed_verdicts(chapter, stored, again, root)
    if lines:
        print("\n  ".join([f"{chapter}: the evidence no longer fits the code.", *lines]))
        print(f"`make evidence CHAPTER={chapter}` measures it again.")
        return False
    write(chapter, dataclasses.replace(stored, hash=again.hash, torch=again.torch), root)
    print(f"{chapter}: every number is within its tolerance; the hash is renewed.")
    found = deviations(stored, again)
    other = found[found["now"] != found["stored"]]
    print(f"  {len(found) - len(other)} of {len(found)} numbers are equal; the others, farthest first:")
    order = ((other["now"] - other["stored"]).abs() / other["tolerance"]).argsort()[::-1]
    for row in other.iloc[order].head(SHOWN).itertuples():
        print(f"  {_described(row)}")
    return True


def main(arguments=None):
    """Command line of `make evidence-check`; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.recheck", description="Check stored evidence.")
    parser.add_argument("chapters", nargs="*", help="default: all that have evidence")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    try:
        names = options.chapters or chapters(options.root)
        sound = check(names, options.root)
        if not names:
            print("There is no stored evidence yet.")
    except (EvidenceError, claims.ClaimError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
