"""The command line on a book in miniature: exit states, and one sentence where something is wrong."""

import pytest

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
