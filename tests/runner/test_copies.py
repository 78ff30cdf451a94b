"""Keys of executed copies in a book in miniature, before and after each edit."""

import os

import pytest

from runner.copies import executed, key
from tests.stub_book import CHAPTER, add_pages, make


@pytest.fixture
def book(tmp_path):
    return add_pages(make(tmp_path))


def test_everything_that_a_chapter_depends_on_is_in_its_key(book):
    keys = [key(CHAPTER, root=book)]
    (book / "utils" / "data").mkdir()
    files = [
        "utils/new.py",
        "utils/data/new.py",
        "requirements.txt",
        "constraints.txt",
        "book/claims.toml",
        "utils/training.py",
    ]
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


def test_a_linked_class_counts_and_links_that_lead_back_or_nowhere_end_nothing(book):
    folder, away = book / "birds", book / "away"
    for path in (folder / "train", away):
        path.mkdir(parents=True)
    (folder / "train" / "owls").symlink_to(away, target_is_directory=True)
    (folder / "train" / "above").symlink_to(folder, target_is_directory=True)
    (folder / "train" / "gone.png").symlink_to("nowhere.png")
    before = key(CHAPTER, str(folder), book)
    (away / "1.png").write_bytes(b"abc")
    assert key(CHAPTER, str(folder), book) != before
