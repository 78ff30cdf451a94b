"""A new tag in a copy of the book's own files: all of them change, and nothing else in them."""

import shutil
from pathlib import Path

import pytest

from runner import release

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for file in [ROOT / "_config.yml", ROOT / "CITATION.cff", *(ROOT / "notebooks").glob("*.ipynb")]:
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
    return tmp_path


def lines(root):
    return {file.name: file.read_text(encoding="utf8").splitlines() for file in root.rglob("*.*")}


def test_one_line_of_each_file_changes(root):
    before = lines(root)
    release.release("7.8.9", root)
    after = lines(root)
    assert len(after) > 3
    for name, now in after.items():
        changed = [(old, new) for old, new in zip(before[name], now, strict=True) if old != new]
        assert len(changed) == 1 and "7.8.9" in changed[0][1], name


@pytest.mark.parametrize("version", ["v7.8.9", "7.8", "7.8.9 "])
def test_what_is_no_version_is_refused(root, version):
    with pytest.raises(ValueError, match="three numbers"):
        release.release(version, root)


def test_where_one_place_is_odd_nothing_changes(root):
    (root / "CITATION.cff").write_text("title: x\n")
    before = lines(root)
    with pytest.raises(ValueError, match="CITATION.cff.* 0 times"):
        release.release("7.8.9", root)
    assert lines(root) == before


def test_the_command_says_what_comes_next(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(release, "release", called.append)
    assert release.main(["7.8.9"]) == 0 and called == ["7.8.9"]
    assert "git tag v7.8.9" in capsys.readouterr().out
