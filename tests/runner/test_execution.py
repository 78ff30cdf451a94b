"""`runner.execution` on a book in miniature; each run leaves a file that counts it."""

import nbformat
import pytest

from runner import execution
from runner.copies import NotebookError, executed, is_current
from runner.execution import on_every_dataset, run
from tests.stub_book import CHAPTER, add_pages, make

CELL = """
import os, pathlib, time
from IPython.display import display
root = next(folder for folder in pathlib.Path.cwd().parents if (folder / "_config.yml").exists())
(root / "trace").mkdir(exist_ok=True)
(root / "trace" / str(time.time_ns())).touch()
print(os.environ["BOOK_DATASET"])
display({"x/y": "0.5"}, raw=True, metadata={"scrapbook": {"name": "share"}})
"""


@pytest.fixture
def book(tmp_path):
    return add_pages(make(tmp_path, CELL))


def runs(root):
    return len(list((root / "trace").glob("*")))


def test_a_chapter_runs_once_and_again_when_something_changed(book, capsys):
    source = (book / "notebooks" / f"{CHAPTER}.ipynb").read_bytes()
    assert run(root=book) == [] and runs(book) == 1
    copy = nbformat.read(executed(CHAPTER, root=book), 4)
    printed, glued = copy.cells[1].outputs
    assert printed.text == "glyphs\n" and glued.metadata.scrapbook.name == "share"
    assert (book / "notebooks" / f"{CHAPTER}.ipynb").read_bytes() == source
    assert list((book / ".cache" / "running").iterdir()) == []
    assert run(root=book) == [] and runs(book) == 1
    assert "nothing has changed" in capsys.readouterr().out
    (book / "utils" / "plotting.py").write_text("WIDTH = 7\n")
    assert not is_current(CHAPTER, root=book)
    assert run([CHAPTER], root=book) == [] and runs(book) == 2


def test_a_cell_that_raises_fails_and_shows_no_older_copy(book, capsys):
    make(book, "1 / 0")
    copy = executed(CHAPTER, root=book)
    copy.parent.mkdir(parents=True)
    copy.write_text("{}")
    copy.with_suffix(".key").write_text("older")
    assert run(root=book) == [CHAPTER]
    output = capsys.readouterr().out
    assert "ZeroDivisionError" in output and "1 failed" in output and "FAILED" in output
    assert copy.with_name(f"{CHAPTER}.failed.ipynb").exists() and not is_current(CHAPTER, root=book)


def test_an_unknown_chapter_is_an_error(book):
    with pytest.raises(NotebookError, match="no chapter 02_x; there are 01_stub"):
        run(["02_x"], root=book)


def test_every_chapter_runs_on_folders_of_few_and_of_easy_images(book, monkeypatch):
    monkeypatch.setenv("BOOK_DATA_DIR", str(book))
    asked = []
    monkeypatch.setattr(execution, "run", lambda names, dataset, root: asked.append((names, dataset)) or [])
    assert on_every_dataset(book) == []
    folders = [str(book / "_build" / name) for name in ("folder-dataset", "folder-few", "folder-easy")]
    assert asked == [(None, dataset) for dataset in ("glyphs", "digits", *folders)]
