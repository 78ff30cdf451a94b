"""A chapter that leaves a file for every run it really makes: the files are the oracle of what was run."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from distributed import LocalCluster

from runner import partial_runs, repeat
from tests.stub_book import CHAPTER, EMIT, RECORDS, make
from utils.evidence.store import ROOT, EvidenceError, path, read

TRACE = """
import os, pathlib, time
part = os.environ["BOOK_EVIDENCE_PASS"]
threads = os.environ.get("OMP_NUM_THREADS", "")
trace = pathlib.Path("..", "trace")
trace.mkdir(exist_ok=True)
(trace / f"{part}-{DATASET}-{SEED}-{FULL}-{threads}-{time.time_ns()}").touch()
"""
SLOW = TRACE + "time.sleep(0.3)\n" + EMIT + 'record("base_accuracy", 80 + SEED)\n'


def traces(root):
    """Count the runs that were made, by pass, dataset and seed."""
    folder = root / "trace"
    names = [file.name.split("-") for file in folder.iterdir()] if folder.exists() else []
    return Counter((part, dataset, int(seed)) for part, dataset, seed, *_ in names)


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("BOOK_EVIDENCE_PASS", raising=False)


def test_killed_and_started_again_it_repeats_no_finished_run(tmp_path, environment):
    make(tmp_path, SLOW)
    command = [sys.executable, "-m", "runner.repeat", CHAPTER, "--root", str(tmp_path), "--jobs", "2"]
    command += ["--datasets", "glyphs", "--seeds", "0", "1", "2"]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    partial = partial_runs.path(CHAPTER, tmp_path)
    while not partial.exists() and first.poll() is None:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    code = repeat.fingerprint(CHAPTER, tmp_path)
    finished = set(partial_runs.load(CHAPTER, code, tmp_path))
    assert 1 <= len(finished) < 3 and not path(CHAPTER, tmp_path).exists()
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{len(finished)} finished earlier" in second.stdout
    made = traces(tmp_path)
    assert all(made[key] == 1 for key in finished)
    assert set(made) == {("main", "glyphs", seed) for seed in range(3)}
    rows = read(CHAPTER, tmp_path).rows
    assert list(zip(rows["seed"], rows["value"], strict=True)) == [(0, 80), (1, 81), (2, 82)]
    assert not partial.exists()


def test_the_pass_of_timings(tmp_path, environment):
    make(tmp_path, TRACE + EMIT + 'record("share", 0.5, tolerance=0)\nrecord("ms", len(part), timing=True)')
    assert repeat.repeat(CHAPTER, datasets=["glyphs"], seeds=[7], jobs=1, root=tmp_path)
    names = sorted(file.name.rsplit("-", 1)[0] for file in (tmp_path / "trace").iterdir())
    assert names == ["main-glyphs-7-True-1", "timing-glyphs-7-True-3"]  # one thread, then those of the caller
    stored = read(CHAPTER, tmp_path)
    values = dict(zip(stored.rows["name"], stored.rows["value"], strict=True))
    assert values == {"share": 0.5, "ms": len("timing")}
    assert stored.timing == ("ms",) and stored.tolerances == {"share": 0}
    assert os.environ["OMP_NUM_THREADS"] == "3" and "BOOK_EVIDENCE_PASS" not in os.environ
    assert repeat.repeat(CHAPTER, datasets=["glyphs"], seeds=[7], jobs=1, root=tmp_path)
    assert traces(tmp_path).total() == 2  # the evidence file itself says that nothing is left to do


def test_a_run_that_raises_does_not_stop_the_others(tmp_path, environment, capsys):
    make(tmp_path, TRACE + EMIT + 'record("share", 1 / (SEED - 1))')
    arguments = [CHAPTER, "--root", str(tmp_path), "--datasets", "glyphs", "--seeds", "1", "2", "--jobs", "1"]
    assert repeat.main(arguments) == 1
    output = capsys.readouterr().out
    assert "FAILED glyphs, seed 1 (main): cell [3] raised ZeroDivisionError: division by zero" in output
    assert "1 runs failed" in output and not path(CHAPTER, tmp_path).exists()
    make(tmp_path, TRACE + EMIT + 'record("share", 1.0)')
    assert repeat.main([*arguments[:-5], "--seeds", "2", "--jobs", "1"]) == 0
    assert traces(tmp_path)["main", "glyphs", 2] == 2  # the run of the older code was not used


def test_workers_of_dask_make_the_runs(tmp_path, environment):
    make(tmp_path, RECORDS)
    with LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        address = f"dask:{cluster.scheduler_address}"
        assert repeat.repeat(CHAPTER, datasets=["glyphs"], seeds=[5], backend=address, root=tmp_path)
    text = path(CHAPTER, tmp_path).read_text().split("value\n")[1]
    expected = ["base_accuracy,,85", "curve,0.5,1", "curve,8,16", "model_bytes,,1234567890"]
    assert text.splitlines() == [f"glyphs,5,{line}" for line in expected]


def test_errors_say_what_is_wrong(tmp_path):
    make(tmp_path)
    with pytest.raises(EvidenceError, match="give loky, or dask:ADDRESS"):
        repeat.repeat(CHAPTER, backend="threads", root=tmp_path)
    with pytest.raises(EvidenceError, match="the chapters there: 01_stub"):
        repeat.repeat("02_stub", root=tmp_path)
    notebook = tmp_path / "notebooks" / f"{CHAPTER}.ipynb"
    notebook.write_text(notebook.read_text().replace('"parameters"', '"params"'))
    with pytest.raises(EvidenceError, match="no cell tagged parameters"):
        repeat.repeat(CHAPTER, root=tmp_path)
