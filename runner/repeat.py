"""Repeats a chapter over datasets and seeds and stores what it recorded: `python -m runner.repeat CHAPTER`.

Each run is the notebook itself, with `FULL = True`. The runs are spread over processes; then a chapter that
records timings runs again, one run at a time, and only its timings are kept from that pass. Finished runs are
kept in `book/evidence/CHAPTER.partial.csv`, so an interrupted call goes on where it stopped.
"""

import argparse
import ast
import contextlib
import os
import sys
import time
from pathlib import Path

import joblib
from filelock import FileLock, Timeout

from runner import partial_runs
from runner.chapter_run import Run, execute
from runner.datasets import absolute
from runner.fingerprint import cells, fingerprint, notebook_path, parse, tags
from runner.writing import status
from utils.evidence.store import DATASETS, ROOT, EvidenceError, path, write

SEEDS = (0, 1, 2, 3, 4)


def plan(chapter, part, datasets, seeds, root=ROOT):
    """List the runs of one pass (`main` or `timing`) over every dataset and seed."""
    folder = Path(root) / "_build" / "evidence" / chapter / fingerprint(chapter, root)
    return [
        Run(str(notebook_path(chapter, root)), str(folder), part, dataset, seed, os.getpid())
        for dataset in datasets
        for seed in seeds
    ]


def records_timing(chapter, root=ROOT):
    """Say whether a chapter's code calls anything with `timing=True`."""
    calls = (node for cell in cells(chapter, root) for node in ast.walk(parse(cell["source"])))
    keywords = (keyword for node in calls if isinstance(node, ast.Call) for keyword in node.keywords)
    return any(k.arg == "timing" and getattr(k.value, "value", None) is True for k in keywords)


def results(runs, *, jobs, backend="loky"):
    """Execute runs, several at a time, and yield each result as it comes.

    Args:
        runs: list of Run.
        jobs: processes on this machine, at least 1.
        backend: `loky` for processes of this machine, `dask:ADDRESS` for the workers of that dask scheduler.

    Yields:
        Result of one run, in the order in which they finish.
    """
    with contextlib.ExitStack() as stack:
        if backend.startswith("dask:"):
            from distributed import Client  # here, because one machine needs no cluster

            client = stack.enter_context(Client(backend.removeprefix("dask:"), set_as_default=False))
            stack.enter_context(joblib.parallel_config("dask", client=client))
            jobs = -1
        elif backend != "loky":
            raise EvidenceError(f"There is no backend {backend!r}; give loky, or dask:ADDRESS.")
        else:
            stack.enter_context(joblib.parallel_config("loky"))
        parallel = joblib.Parallel(
            n_jobs=jobs, batch_size=1, pre_dispatch="all", return_as="generator_unordered"
        )
        yield from parallel(joblib.delayed(execute)(run) for run in runs)


def run_pass(chapter, runs, finished, *, jobs, backend="loky", root=ROOT):
    """Execute what is not yet finished among `runs`, storing every run as soon as it is.

    Returns:
        The number of runs that failed.

    Raises:
        EvidenceError: if the chapter's code changes meanwhile; what ran before is kept under the old code.
    """
    waiting = [run for run in runs if run.key not in finished]
    print(f"{chapter}, {runs[0].part} pass: {len(runs)} runs, {len(runs) - len(waiting)} finished earlier.")
    code, start, failed = fingerprint(chapter, root), time.monotonic(), 0
    for count, result in enumerate(results(waiting, jobs=jobs, backend=backend), start=1):
        if fingerprint(chapter, root) != code:
            raise EvidenceError(f"The code of {chapter} changed while it ran; start again.")
        if result.error:
            failed += 1
            print(f"[{count}/{len(waiting)}] FAILED {result.run.label}: {result.error}", flush=True)
            continue
        finished[result.run.key] = result.records
        partial_runs.save(chapter, code, finished, root)
        left = (time.monotonic() - start) / count * (len(waiting) - count) / 60
        text = f"{len(result.records)} numbers in {result.seconds:.0f} s, about {left:.0f} min left"
        print(f"[{count}/{len(waiting)}] finished {result.run.label}: {text}", flush=True)
    return failed


def repeat(chapter, *, datasets=DATASETS, seeds=SEEDS, jobs=None, backend="loky", root=ROOT):
    """Run a chapter over every dataset and seed and write its evidence file.

    Args:
        chapter: the notebook's name without suffix, such as `01_background`.
        datasets: names for the notebook's DATASET.
        seeds: numbers for its SEED.
        jobs: processes of one thread each; None for one per core.
        backend: see `results`.
        root: the folder that holds `notebooks/`, `utils/` and `book/`.

    Returns:
        True if every run succeeded and the file was written.

    Raises:
        EvidenceError: if the notebook has no cell tagged `parameters`, or another call is at it now.
    """
    if not any("parameters" in tags(cell) for cell in cells(chapter, root)):
        raise EvidenceError(f"{chapter} has no cell tagged parameters: every run would have the same seed.")
    lock = Path(root) / "_build" / "evidence" / f"{chapter}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            return _repeat(chapter, datasets, seeds, jobs or os.cpu_count(), backend, root)
    except Timeout:
        raise EvidenceError(
            f"The evidence of {chapter} is being made by another process; wait for it."
        ) from None


def _repeat(chapter, datasets, seeds, jobs, backend, root):
    code = fingerprint(chapter, root)
    finished = partial_runs.load(chapter, code, root)
    main_runs = plan(chapter, "main", datasets, seeds, root)
    failed = run_pass(chapter, main_runs, finished, jobs=jobs, backend=backend, root=root)
    timed = any(record["timing"] for records in finished.values() for record in records)
    timing = timed or records_timing(chapter, root)
    if timing and not failed:
        timing_runs = plan(chapter, "timing", datasets, seeds, root)
        failed = run_pass(chapter, timing_runs, finished, jobs=1, root=root)
    if failed:
        print(f"{failed} runs failed; the others are kept. Start again, and only what failed is repeated.")
        return False
    write(chapter, partial_runs.evidence(code, finished, timing=timing), root)
    partial_runs.path(chapter, root).unlink(missing_ok=True)
    print(f"Wrote {path(chapter, root)}.")
    return True


def main(arguments=None):
    """Command line of `make evidence`; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.repeat", description=repeat.__doc__.split("\n")[0]
    )
    parser.add_argument("chapter", help="the notebook's name without suffix, such as 01_background")
    parser.add_argument("--datasets", nargs="+", default=DATASETS, help="default: glyphs fashion-mnist")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="default: 0 1 2 3 4")
    parser.add_argument("--jobs", type=int, help="runs at a time; default: one per core")
    parser.add_argument("--backend", default="loky", help="loky (this machine) or dask:ADDRESS")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    try:
        options.datasets = [absolute(dataset) for dataset in options.datasets]
        return 0 if repeat(**vars(options)) else 1
    except (EvidenceError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        return status(error, options.root)
    except KeyboardInterrupt:
        print(
            "Interrupted. Finished runs are kept: start again, and only the others are run.", file=sys.stderr
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
