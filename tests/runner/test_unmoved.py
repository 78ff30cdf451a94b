"""Two books in miniature, before and after a change that moves a number, or none."""

import pytest

from runner import unmoved
from runner.fingerprint import matches
from tests.stub_book import CHAPTER, EMIT, make, write_evidence
from utils.evidence.store import EvidenceError, read

ROWS = [("glyphs", seed, "base_accuracy", "", 80 + seed) for seed in range(5)]


@pytest.fixture
def books(tmp_path, monkeypatch):
    """A checkout that measured the evidence, and one whose code was written anew."""
    before, after = tmp_path / "before", tmp_path / "after"
    make(before, EMIT + 'record("base_accuracy", 80.125)\nrecord("ms", 3, timing=True)')
    make(after, EMIT + 'value = 80 + 0.125\nrecord("base_accuracy", value)\nrecord("ms", 4, timing=True)')
    for folder in (before, after):
        write_evidence(folder, ROWS, code="old")
    monkeypatch.setattr(unmoved, "measured_by", lambda folder, chapter: folder == before)
    return before, after


def test_equal_numbers_renew_the_hash_and_nothing_else(books, capsys):
    before, after = books
    rows = read(CHAPTER, after).rows
    assert unmoved.main([str(before), CHAPTER, "--root", str(after)]) == 0
    assert matches(CHAPTER, after) and read(CHAPTER, after).rows.equals(rows)
    assert "all 1 numbers are equal" in capsys.readouterr().out


def test_a_number_that_moves_is_named(books, capsys):
    before, after = books
    make(after, EMIT + 'record("base_accuracy", 80.126)\nrecord("more", FULL)')
    assert unmoved.main([str(before), CHAPTER, "--root", str(after), "--short"]) == 1
    output = capsys.readouterr().out
    assert "base_accuracy: 80.125 before, 80.126 now" in output and "more is new" in output
    assert not matches(CHAPTER, after) and read(CHAPTER, after).hash == "old"


def test_what_the_chapter_allows_is_allowed():
    old, new = {"bytes": (100.0, 0.0), "x@1": (1.0, 0.0)}, {"bytes": (100.5, 1.0), "x@1": (1.0, 0.0)}
    assert unmoved.differences(old, new) == []
    assert unmoved.differences(old, new | {"bytes": (102.0, 1.0)}) == ["bytes: 100 before, 102 now"]


def test_code_that_did_not_measure_the_evidence_proves_nothing(books):
    before, after = books
    with pytest.raises(EvidenceError, match="not the code that measured"):
        unmoved.renew(after, CHAPTER, before)
    write_evidence(before, ROWS[:4], code="old")
    with pytest.raises(EvidenceError, match="not the code that measured"):
        unmoved.renew(before, CHAPTER, after)


def test_a_checkout_is_asked_by_its_own_code(tmp_path):
    """Here a package `runner` that says yes to one chapter."""
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "__init__.py").touch()
    (tmp_path / "runner" / "fingerprint.py").write_text(
        "def matches(chapter):\n    return chapter == '01_x'\n"
    )
    assert unmoved.measured_by(tmp_path, "01_x") and not unmoved.measured_by(tmp_path, "02_x")
