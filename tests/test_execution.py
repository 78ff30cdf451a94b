"""`runner.execution` on a book in miniature; each run leaves a file that counts it."""

import os

import nbformat
import pytest

from runner.execution import NotebookError, executed, is_current, key, main, run
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
    assert main(["--root", str(book), "run"]) == 1
    output = capsys.readouterr().out
    assert "ZeroDivisionError" in output and "1 failed" in output and "FAILED" in output
    assert copy.with_name(f"{CHAPTER}.failed.ipynb").exists() and not is_current(CHAPTER, root=book)
    assert main(["--root", str(book), "stage"]) == 1
    assert "`make run` makes it" in capsys.readouterr().err


def test_everything_that_a_chapter_depends_on_is_in_its_key(book):
    keys = [key(CHAPTER, root=book)]
    files = ["utils/new.py", "requirements.txt", "constraints.txt", "book/claims.toml", "utils/training.py"]
    for name in [*files, f"book/evidence/{CHAPTER}.csv", f"notebooks/{CHAPTER}.ipynb"]:
        (book / name).write_text("changed")
        keys.append(key(CHAPTER, root=book))
    keys.append(key(CHAPTER, "digits", root=book))
    assert len(set(keys)) == len(keys)
    (book / "book" / "intro.md").write_text("changed")
    (book / "book" / "evidence" / "02_other.csv").write_text("changed")
    assert key(CHAPTER, root=book) == keys[-2]


def test_a_folder_of_images_is_keyed_by_its_files(book):
    folder = book / "birds"
    folder.mkdir()
    image = folder / "1.png"
    image.write_bytes(b"abc")
    before = key(CHAPTER, str(folder), book)
    os.utime(image, ns=(1, 1))
    touched = key(CHAPTER, str(folder), book)
    assert len({before, touched, key(CHAPTER, "birds", book)}) == 3
    names = {
        executed(CHAPTER, dataset, book).parent.name for dataset in ("birds", str(folder), "/other/birds")
    }
    assert len(names) == 3 and all("/" not in name for name in names)


def test_an_unknown_chapter_is_an_error(book):
    with pytest.raises(NotebookError, match="no chapter 02_x; there are 01_stub"):
        run(["02_x"], root=book)
