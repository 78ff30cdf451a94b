"""What a Colab-like run notices, on a small notebook in the Python of the tests."""

import csv
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from runner import colab_env, colab_run
from runner.copies import chapters

ROOT = Path(__file__).parents[2]
FIGURE = "import matplotlib.pyplot as plt; plt.plot([1]); plt.show()"
SETUP = "import os, pathlib; open('ran', 'a').write('x')"


def git(folder, *arguments):
    name = ("-c", "user.name=N", "-c", "user.email=e@example.org")
    subprocess.run(["git", *name, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A book under git with one chapter of the edition, given as sources; its first cell is the setup."""
    (tmp_path / "_config.yml").write_text("repository: {url: https://example.org/a/b, release: v9.9.9}\n")
    (tmp_path / "notebooks").mkdir()
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "_config.yml")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.setattr(colab_env, "make", lambda root: (sys.executable, {"torch": "2"}))
    monkeypatch.setattr(colab_env, "versions", lambda python: {"torch": "2", "onnx": "1"})
    return tmp_path


def write(root, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["setup"]
    (root / "_build" / "colab").mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "_build" / "colab" / "01_one.ipynb")


def test_a_good_chapter_has_no_faults_and_its_folder_was_empty(root):
    write(root, SETUP, "assert sorted(os.listdir()) == ['ran']", FIGURE)
    result = colab_run.run("01_one", root)
    assert result.faults == [] and result.warnings == []
    assert 0 < result.figure <= result.whole


def test_the_address_leads_to_the_last_commit_at_the_release_tag(root):
    clone = "git clone -q -b v9.9.9 --depth 1 https://example.org/a/b got"
    write(
        root,
        f"import subprocess, os\nif not os.path.exists('got'): subprocess.run({clone.split()}, check=True)",
        FIGURE,
    )
    assert colab_run.run("01_one", root).faults == []


def test_an_error_ends_the_run_and_is_named_with_its_cell(root):
    write(root, SETUP, FIGURE, "1 / 0", "raise KeyError")
    assert colab_run.run("01_one", root).faults == ["cell 2: ZeroDivisionError: division by zero"]


def test_a_setup_cell_that_fails_the_second_time_is_a_fault(root):
    write(root, "import os; os.mkdir('once')", FIGURE)
    (fault,) = colab_run.run("01_one", root).faults
    assert "run again" in fault and "FileExistsError" in fault


def test_warnings_are_kept(root):
    write(root, SETUP, FIGURE, "import warnings; warnings.warn('mind this')")
    (warning,) = colab_run.run("01_one", root).warnings
    assert "mind this" in warning


@pytest.mark.parametrize(
    ("result", "after", "said"),
    [
        ({"figure": 5}, {"torch": "3"}, "packages of Colab changed: {'torch': '3'}"),
        ({"figure": 5}, {}, "packages of Colab changed: {'torch': None}"),
        ({"figure": 5, "setup": 61}, {"torch": "2"}, "set-up took 61 s, at most 60 are allowed"),
        ({"figure": None}, {"torch": "2"}, "the first figure never came, at most 60 s are allowed"),
    ],
)
def test_limits(result, after, said):
    found = colab_run.Result("01_one", **result)
    colab_run._compare(found, {"torch": "2"}, after)
    assert found.faults == [said]


def test_without_network_one_sentence_is_asked_for(root):
    write(root, "raise RuntimeError('fetching the book failed; run this cell again. No host')")
    assert colab_run.without_network("01_one", root) == []
    write(root, "raise RuntimeError('fetching the book failed; run this cell again. No\\nhost')")
    assert len(colab_run.without_network("01_one", root)) == 1
    write(root, SETUP)
    assert colab_run.without_network("01_one", root) == ["without network it says: ''"]


def test_the_drawn_chapter_is_one_of_the_book(root):
    for name in ("01_a", "02_b"):
        (root / "notebooks" / f"{name}.ipynb").touch()
    assert colab_run.drawn(root) == colab_run.drawn(root) in ("01_a", "02_b")


def test_numbers_are_compared_with_seed_0_of_the_evidence(root):
    (root / "book" / "evidence").mkdir(parents=True)
    header = "# hash: x\n# torch: 2\n# tolerances: {}\n# timing: []\ndataset,seed,name,at,value\n"
    rows = "glyphs,0,near_accuracy,,90\nglyphs,1,near_accuracy,,90\nglyphs,0,far_accuracy,,90\n"
    (root / "book" / "evidence" / "01_one.csv").write_text(header + rows)
    line = "display({'a/b': '1'}, raw=True, metadata={'evidence': {'name': '%s', 'at': None, 'value': %s, "
    line += "'tolerance': None, 'timing': False}})"
    cells = [line % ("near_accuracy", 90.4), line % ("far_accuracy", 90.6), line % ("new", 1)]
    write(root, SETUP, FIGURE, *cells)
    result = colab_run.run("01_one", root)
    assert (result.compared, result.moved) == (2, "far_accuracy: 90, here 90.6")


def test_the_page_keeps_one_row_a_chapter(root):
    for name in ("01_a", "02_b"):
        (root / "notebooks" / f"{name}.ipynb").touch()
    (root / "book").mkdir()
    file = root / "book" / "colab.csv"
    file.write_text(",".join(colab_run.HEADER) + "\n00_gone,x,x,1,1,1\n01_a,x,x,1,1,1\n")
    for name in ("02_b", "01_a"):
        colab_run.remember(colab_run.Result(name, setup=9.6, figure=5.2, whole=100), root)
    lines = file.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["chapter", "01_a", "02_b"]
    assert all(line.endswith(",10,5,100") for line in lines[1:])


def test_the_report_prefixes_faults(capsys):
    result = colab_run.Result("01_a", 9.6, None, 100, faults=["bad"], warnings=["mind"])
    assert colab_run.report(result) == ["01_a: bad"]
    assert "set-up 10 s, first figure none, all 100 s" in capsys.readouterr().out


def test_the_stored_table_is_of_the_books_chapters_and_of_the_listed_runtime():
    rows = list(csv.DictReader((ROOT / "book" / "colab.csv").read_text().splitlines()))
    assert rows and list(rows[0]) == colab_run.HEADER
    assert {row["chapter"] for row in rows} <= set(chapters(ROOT))
    assert {row["runtime"] for row in rows} == {colab_env.runtime()[0]}
    limits = {"set-up (s)": colab_run.SETUP_SECONDS, "first figure (s)": colab_run.FIGURE_SECONDS}
    assert all(int(row[name]) <= limit for row in rows for name, limit in limits.items())
