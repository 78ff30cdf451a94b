"""The command line that runs chapters and stages pages: `python -m runner.commands run [CHAPTER ...]`."""

import argparse
import os
import sys
from pathlib import Path

from runner.copies import NotebookError
from runner.datasets import absolute
from runner.execution import on_every_dataset, run
from runner.staging import stage
from runner.writing import status
from utils.evidence.store import DEFAULT_DATASET, ROOT


def main(arguments=None):
    """Command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.commands", description="Run the chapters.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="execute what has changed")
    running.add_argument("chapters", nargs="*", help="default: all")
    running.add_argument("--jobs", type=int, help="chapters at a time; default: one a core")
    commands.add_parser("test-datasets", help="execute every chapter on every dataset")
    staging = commands.add_parser("stage", help="put the pages under _build/book")
    for command in (running, staging):
        command.add_argument("--dataset", default=os.environ.get("BOOK_DATASET") or DEFAULT_DATASET)
    options = parser.parse_args(arguments)
    try:
        if options.command == "test-datasets":
            return 1 if on_every_dataset(options.root) else 0
        dataset = absolute(options.dataset)
        if options.command == "run":
            return 1 if run(options.chapters, dataset, options.root, options.jobs) else 0
        print(f"Staged in {stage(dataset, options.root)}.")
    except (NotebookError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        return status(error, options.root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
