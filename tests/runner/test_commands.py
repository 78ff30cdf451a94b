"""The command line on a book in miniature: exit states, and one sentence where something is wrong."""

import errno
import os
from pathlib import Path

import pytest

from runner import commands, repeat
from runner.commands import main
from tests.stub_book import CHAPTER, add_pages, make


@pytest.fixture
def book(tmp_path):
    return add_pages(make(tmp_path, "1 / 0"))


def test_a_chapter_that_fails_and_one_that_is_unknown_end_with_1(book, capsys):
    assert main(["--root", str(book), "run"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert main(["--root", str(book), "run", "02_x"]) == 1
    assert "no chapter 02_x; there are 01_stub" in capsys.readouterr().err
    assert main(["--root", str(book), "stage"]) == 1
    assert f"No current executed copy of {CHAPTER} on glyphs; `make run` makes it." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["photos", "./photos", "~/photos"])
def test_a_folder_beside_the_readme_reaches_the_chapters(book, monkeypatch, name):
    (book / "photos").mkdir()
    monkeypatch.chdir(book)
    monkeypatch.setenv("HOME", str(book))
    asked = []
    monkeypatch.setattr(commands, "run", lambda names, dataset, root, jobs: asked.append(dataset))
    monkeypatch.setattr(commands, "stage", lambda dataset, root: asked.append(dataset))

    def repeated(**options):
        """Of the evidence."""
        asked.extend(options["datasets"])

    monkeypatch.setattr(repeat, "repeat", repeated)
    main(["run", "--dataset", name])
    monkeypatch.setenv("BOOK_DATASET", name)
    main(["stage"])
    repeat.main(["01_stub", "--datasets", "digits", name])
    assert asked == [str(book / "photos"), str(book / "photos"), "digits", str(book / "photos")]


def test_a_dataset_that_is_none_is_refused_before_a_chapter_runs(book, capsys):
    assert main(["--root", str(book), "run", "--dataset", "glyfs"]) == 1
    assert repeat.main(["01_stub", "--root", str(book), "--datasets", "glyphs", "glyfs"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("no dataset 'glyfs'" in line for line in lines)


def test_a_book_that_may_not_be_written_is_said_in_one_sentence(book, monkeypatch, capsys):
    def read_only(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "mkdir", read_only)
    assert main(["--root", str(book), "run"]) == 1
    assert repeat.main(["01_stub", "--root", str(book)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(
        "(Read-only file system): copy the book's folder" in line for line in lines
    )
