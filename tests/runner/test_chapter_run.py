"""What a run gives is compared with what the notebook was written to record."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time

import nbformat
import pytest

from runner.chapter_run import Run, execute, recorded
from tests.stub_book import CHAPTER, EMIT, make
from utils.evidence.store import ROOT


def run_of(root, part="main", dataset="glyphs", seed=3):
    notebook = root / "notebooks" / f"{CHAPTER}.ipynb"
    return Run(str(notebook), str(root / "_build"), part, dataset, seed, os.getpid())


def test_a_run_gets_its_parameters_and_gives_its_records(tmp_path):
    make(tmp_path, EMIT + 'record("seed", SEED, at=len(DATASET))\nrecord("full", float(FULL), tolerance=0)')
    result, other = (execute(run_of(tmp_path, dataset=f"/{name} of/birds")) for name in ("images", "photos"))
    seed = {"name": "seed", "value": 3, "at": 16, "tolerance": None, "timing": False}
    full = {"name": "full", "value": 1.0, "at": None, "tolerance": 0, "timing": False}
    assert result.error == "" and result.records == [seed, full]
    files = [file.name for file in (tmp_path / "_build").iterdir()]
    assert len(files) == 2 and other.error == ""  # folders of one name do not write into one file
    assert all(re.fullmatch(r"main-birds-\w{8}-3\.ipynb", name) for name in files)


@pytest.mark.parametrize(("part", "left"), [("main", ["plain", "long"]), ("timing", ["plain"])])
def test_a_pass_spares_the_cells_that_it_does_not_need(tmp_path, part, left):
    cells = [(f'{EMIT}record("plain", 1)', "x"), ('record("long", 2)', "untimed"), ("1 / 0", "figure")]
    make(tmp_path, *cells)
    result = execute(run_of(tmp_path, part))
    assert result.error == ""
    assert [row["name"] for row in result.records] == left


def test_a_name_recorded_twice_is_an_error():
    row = {"name": "share", "value": 1, "at": 0.5, "tolerance": None, "timing": False}
    outputs = [nbformat.v4.new_output("display_data", metadata={"evidence": row}) for _ in range(2)]
    cells = [nbformat.v4.new_markdown_cell("x"), nbformat.v4.new_code_cell(outputs=outputs[:1])]
    assert recorded(nbformat.v4.new_notebook(cells=cells)) == [row]
    cells.append(nbformat.v4.new_code_cell(outputs=outputs[1:]))
    with pytest.raises(ValueError, match=r"share at 0.5 is recorded twice"):
        recorded(nbformat.v4.new_notebook(cells=cells))


def test_a_run_takes_the_python_that_asks_for_it(tmp_path, monkeypatch):
    """Whatever a shared machine calls `python3`: that one cannot start."""
    folder = tmp_path / "hub" / "kernels" / "python3"
    folder.mkdir(parents=True)
    description = {"argv": ["false", "{connection_file}"], "display_name": "Hub", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(description))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "hub"))
    make(tmp_path, EMIT + f'import sys\nrecord("same", int(sys.executable == {sys.executable!r}))')
    result = execute(run_of(tmp_path))
    assert result.error == "" and result.records[0]["value"] == 1
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "hub")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="orphans are adopted only on POSIX systems")
def test_a_worker_does_not_outlive_the_process_that_asked(tmp_path):
    code = """
        import os, pathlib, sys, time
        from runner.chapter_run import end_with
        parent = os.getpid()
        if os.fork():
            time.sleep(0.2)
            os._exit(0)
        end_with(parent)
        time.sleep(1.5)
        pathlib.Path(sys.argv[1]).touch()
    """
    survived = tmp_path / "survived"
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(survived)], cwd=ROOT, check=True)
    time.sleep(2)
    assert not survived.exists()
