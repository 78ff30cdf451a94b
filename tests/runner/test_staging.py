"""`runner.staging` on a book in miniature: which files stand in the staged folder, and which are renewed."""

import json

import pytest

from runner.copies import NotebookError, executed, key
from runner.staging import stage
from tests.stub_book import CHAPTER, CONFIG, add_pages, make


@pytest.fixture
def book(tmp_path):
    return add_pages(make(tmp_path))


def test_the_staged_book_shows_executed_copies_and_runs_nothing(book):
    copy = executed(CHAPTER, root=book)
    copy.parent.mkdir(parents=True)
    copy.write_text(json.dumps({"executed": True}))
    copy.with_suffix(".key").write_text(key(CHAPTER, root=book))
    (book / "book" / "old.md").write_text("old")
    staged = stage(root=book)
    assert (staged / "_config.yml").read_text() == CONFIG.replace("auto", "'off'")
    assert json.loads((staged / "notebooks" / f"{CHAPTER}.ipynb").read_text()) == {"executed": True}
    files = {
        str(file.relative_to(staged)): file.stat().st_mtime_ns for file in staged.rglob("*") if file.is_file()
    }
    chapter = f"notebooks/{CHAPTER}.ipynb"
    assert set(files) == {
        "_config.yml",
        "_toc.yml",
        chapter,
        "book/intro.md",
        "book/old.md",
        "book/claims.toml",
    }
    (book / "book" / "old.md").unlink()
    (book / "book" / "intro.md").write_text("# Another\n")
    stage(root=book)
    again = {
        str(file.relative_to(staged)): file.stat().st_mtime_ns for file in staged.rglob("*") if file.is_file()
    }
    assert set(files) - set(again) == {"book/old.md"}
    assert {name for name in again if again[name] != files[name]} == {"book/intro.md"}
    assert (staged / "book" / "intro.md").read_text() == "# Another\n"


def test_staging_needs_to_find_the_switch(book):
    (book / "_config.yml").write_text("title: A book\n")
    (book / "notebooks" / f"{CHAPTER}.ipynb").unlink()
    with pytest.raises(NotebookError, match="execute_notebooks"):
        stage(root=book)
