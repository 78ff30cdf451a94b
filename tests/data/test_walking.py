"""Folders with links between them, against the files that were put there."""

from collections import Counter

import pytest

from utils.data.walking import files_below, is_above


@pytest.fixture
def tree(tmp_path):
    """Three files in a folder and in folders in it; one of them is hidden."""
    folder = tmp_path / "tree"
    (folder / "nested" / "deep").mkdir(parents=True)
    for name in ("b.png", "a.png", ".hidden", "nested/c.png", "nested/deep/d.png"):
        (folder / name).touch()
    return folder


FILES = ["a.png", "b.png", "nested/c.png", "nested/deep/d.png"]


def below(folder, others=None):
    return [path.removeprefix(f"{folder}/") for path in files_below(folder, others)]


def test_files_come_folder_by_folder_without_hidden_ones(tree):
    assert below(tree) == FILES
    (tree / ".checkpoints").mkdir()
    (tree / ".checkpoints" / "a.png").touch()
    assert below(tree) == FILES


@pytest.mark.parametrize("target", ["..", ".", "nested"])
def test_links_back_add_nothing_and_are_counted(tree, target):
    (tree / "nested" / "link").symlink_to(tree / target, target_is_directory=True)
    others = Counter()
    assert below(tree, others) == FILES and sum(others.values()) == 1


def test_a_linked_folder_elsewhere_is_read(tree, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "e.png").touch()
    (tmp_path / "elsewhere" / "back").symlink_to(tree, target_is_directory=True)
    (tree / "link").symlink_to("../elsewhere", target_is_directory=True)
    assert sorted(below(tree)) == sorted([*FILES, "link/e.png"])


def test_a_link_into_a_deep_folder_hides_no_other(tree):
    (tree / "alias").symlink_to(tree / "nested" / "deep", target_is_directory=True)
    assert len(below(tree)) == len(FILES) and "nested/c.png" in below(tree)


def test_is_above(tree):
    (tree / "link").symlink_to("..", target_is_directory=True)
    assert is_above(str(tree), tree) and is_above(str(tree / "link"), tree) and is_above("/", tree)
    assert not is_above(str(tree / "nested"), tree)
