"""The verdicts on the claims: `python -m runner.verdicts` prints them, and stores them with `--update`."""

import argparse
import sys
from pathlib import Path

from utils.evidence.claims import stale, update, verdicts
from utils.evidence.store import ROOT, EvidenceError


def main(arguments=None):
    """Command line: print the verdicts, or write them; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.verdicts", description="The verdicts on the claims."
    )
    parser.add_argument("--update", action="store_true", help="write them into book/claims.toml")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    try:
        if options.update:
            update(options.root)
        for item in verdicts(options.root):
            print(f"{item.claim.id:40} {item.dataset:15} {item.verdict}")
        lines = stale(options.root)
    except (ValueError, EvidenceError) as error:
        print(error, file=sys.stderr)
        return 1
    for line in [*lines, "`python -m runner.verdicts --update` stores what is recomputed."] if lines else []:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
