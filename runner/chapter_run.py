"""One run of a chapter for the evidence: one dataset, one seed, in the kernel of a copy."""

import contextlib
import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from runner import kernel

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Run:
    """What to run: `part` is `main` or `timing`; `parent` is the process that asked for it.

    `full` is what the chapter's FULL is set to.
    """

    notebook: str
    folder: str
    part: str
    dataset: str
    seed: int
    parent: int
    full: bool = True

    @property
    def key(self):
        return self.part, self.dataset, self.seed

    @property
    def label(self):
        return f"{Path(self.dataset).name}, seed {self.seed} ({self.part})"


@dataclass(frozen=True)
class Result:
    """What came of a run: `records` as `utils.evidence.record` emitted them, or the text of an `error`."""

    run: Run
    records: list[dict]
    seconds: float
    error: str = ""


def execute(run):
    """Execute the notebook of a run, with its dataset and seed and `FULL = True`, in the notebook's folder.

    In the main pass the kernel has one thread, because as many runs go on at once as there are cores.

    Args:
        run: Run; its notebook and folder are paths on the machine that executes it.

    Returns:
        Result; a notebook that raises is a result with an error.
    """
    end_with(run.parent)
    import papermill  # here, because it takes a second that the other users of this module need not wait

    print(f"running {run.label}\n", end="", flush=True)  # one write: the lines of two workers must not mix
    start = time.monotonic()
    output = Path(run.folder) / f"{run.part}-{_short_name(run.dataset)}-{run.seed}.ipynb"
    output.parent.mkdir(parents=True, exist_ok=True)
    parameters = {"SEED": run.seed, "DATASET": run.dataset, "FULL": run.full}
    options = {"kernel_name": "python3", "language": "python", "progress_bar": False}
    options |= {"cwd": str(Path(run.notebook).parent), "extra_arguments": ["--IPKernelApp.log_level=ERROR"]}
    try:
        needed = _needed_part(run, output)
        with _environment(run):
            done = papermill.execute_notebook(str(needed), str(output), parameters, **options)
        needed.unlink()
        return Result(run, recorded(done), time.monotonic() - start)
    except papermill.PapermillExecutionError as error:
        message = f"cell [{error.exec_count}] raised {error.ename}: {error.evalue}\n        see {output}"
    except Exception as error:  # a kernel that died, a disk that is full: the other runs go on
        message = f"{type(error).__name__}: {error}\n        see {output}"
    return Result(run, [], time.monotonic() - start, message)


def _short_name(dataset):
    """Give a name of a dataset for files; two folders of one name, in different places, get two."""
    name = Path(dataset).name
    return name if name == dataset else f"{name}-{hashlib.sha256(dataset.encode()).hexdigest()[:8]}"


def _needed_part(run, output):
    """Write a copy of the notebook without the cells that this pass can do without; give its path.

    Cells tagged `figure` only draw. In the timing pass, cells tagged `untimed` go as well: they take long,
    and no timing depends on them.
    """
    content = json.loads(Path(run.notebook).read_text(encoding="utf-8"))
    spared = {"figure"} if run.part == "main" else {"figure", "untimed"}
    content["cells"] = [
        cell for cell in content["cells"] if not spared & set(cell["metadata"].get("tags", ()))
    ]
    copy = output.with_suffix(".input.ipynb")
    copy.write_text(json.dumps(content), encoding="utf-8")
    return copy


def recorded(notebook):
    """Collect what an executed notebook recorded.

    Args:
        notebook: of nbformat, with outputs.

    Returns:
        A list of dictionaries with name, at, value, tolerance, timing.

    Raises:
        ValueError: if one name was recorded twice at the same point.
    """
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            row = output.get("metadata", {}).get("evidence")
            if row and (row["name"], row["at"]) in found:
                at = "" if row["at"] is None else f" at {row['at']}"
                raise ValueError(f"{row['name']}{at} is recorded twice; give each number a name of its own.")
            if row:
                found[row["name"], row["at"]] = dict(row)
    return list(found.values())


@contextlib.contextmanager
def _environment(run):
    """Set the kernel's environment; restore it where the asking process itself executes the run."""
    before = dict(os.environ)
    os.environ["BOOK_EVIDENCE_PASS"] = run.part
    os.environ["BOOK_NETWORKS_DIR"] = ""  # evidence is of networks that this code and this torch have trained
    os.environ.update(ONE_THREAD if run.part == "main" else {})
    os.environ.update(kernel.environment(Path(run.notebook).parents[1]))
    try:
        yield
    finally:
        if os.getpid() == run.parent:
            os.environ.clear()
            os.environ.update(before)


def end_with(parent):
    """Let this process, and with it its kernel, end soon after the process `parent`, if that started it.

    A killed parent would otherwise leave workers that go on with what stands in their queue.
    """
    if os.getppid() != parent or any(thread.name == "end_with" for thread in threading.enumerate()):
        return

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="end_with", daemon=True).start()
