"""A chapter is measured, its code edited, and the check run: what it does then is worked out by hand."""

import pytest

from runner.fingerprint import matches
from runner.recheck import check, main, tolerance
from tests.stub_book import CHAPTER, EMIT, make, write_evidence
from utils.evidence.store import EvidenceError, read

CLAIM = """
[[claim]]
id = "fast"
chapter = "01_stub"
says = "It takes under 10 ms."
margin = "10 - milliseconds"
unit = "ms"
"""


def measured(root, accuracy=80.0, size=1000, extra=""):
    """Write a chapter that records these numbers, and evidence in which they are 80 (79 to 81) and 1000."""
    make(root, EMIT + f'record("base_accuracy", {accuracy})\nrecord("model_bytes", {size})\n' + extra)
    rows = [("glyphs", seed, "base_accuracy", "", 80 + (seed + 1) % 3 - 1) for seed in range(6)]
    rows += [("glyphs", seed, "model_bytes", "", 1000) for seed in range(6)]
    write_evidence(root, sorted(rows), code="old")
    return root


def test_the_rule_of_tolerances():
    values = [79, 80, 81]  # standard deviation 1
    assert tolerance("base_accuracy", values) == 3
    assert tolerance("base_accuracy", [80.0, 80.1]) == 0.5  # 3 x 0.07 is less than half a point
    assert tolerance("share", [0.50, 0.51]) == pytest.approx(3 * 0.01 / 2**0.5)
    assert tolerance("share", [0.5]) == 0
    assert tolerance("model_bytes", values) == tolerance("layer_macs", values) == 0
    assert tolerance("drop50", [1.0]) == 0.5
    assert tolerance("base_accuracy", values, given=0) == 0 and tolerance("model_bytes", values, given=9) == 9


def test_within_tolerance_the_hash_is_renewed_and_nothing_else(tmp_path, capsys):
    before = read(CHAPTER, measured(tmp_path, accuracy=82)).rows  # the deviation is 0.89: 82 is within 2.68
    assert not matches(CHAPTER, tmp_path)
    assert main(["--root", str(tmp_path)]) == 0
    assert matches(CHAPTER, tmp_path) and read(CHAPTER, tmp_path).rows.equals(before)
    output = capsys.readouterr().out
    assert "1 of 2 numbers are equal" in output
    assert "base_accuracy: stored 80, now 82, tolerance 2.68" in output


def test_chapters_are_rerun_together_and_judged_apart(tmp_path, capsys):
    good, bad = measured(tmp_path / "good"), measured(tmp_path / "bad", size=1001)
    for kind in ("notebooks", "book/evidence"):
        (file,) = (bad / kind).glob(f"{CHAPTER}.*")
        file.rename(good / kind / file.name.replace(CHAPTER, "02_bad"))
    assert main(["--root", str(good)]) == 1
    assert matches(CHAPTER, good) and not matches("02_bad", good)
    assert "02_bad: the evidence no longer fits the code" in capsys.readouterr().out


def test_outside_tolerance_it_says_what_moved(tmp_path, capsys):
    measured(tmp_path, accuracy=83, size=1001, extra='record("more", 1)')
    assert main([CHAPTER, "--root", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "base_accuracy: stored 80, now 83, tolerance 2.68" in output
    assert "model_bytes: stored 1000, now 1001, tolerance 0" in output
    assert "more is new" in output and f"make evidence CHAPTER={CHAPTER}" in output
    assert read(CHAPTER, tmp_path).hash == "old"


@pytest.mark.parametrize(("now", "agrees"), [(9, True), (90, False)])
def test_timings_are_compared_by_verdict(tmp_path, capsys, now, agrees):
    make(tmp_path, EMIT + f'record("milliseconds", {now}, timing=True)')
    (tmp_path / "book" / "claims.toml").write_text(CLAIM)
    rows = [("glyphs", seed, "milliseconds", "", 5 + seed / 10) for seed in range(5)]
    write_evidence(tmp_path, rows, code="old", timing='["milliseconds"]')
    assert check([CHAPTER], tmp_path) is agrees  # at 9 margins are 1 to 5 and hold; at 90 nothing does
    assert ("claim fast: it was 'holds'" in capsys.readouterr().out) is not agrees


def test_missing_evidence_and_a_run_that_fails_are_errors(tmp_path, capsys):
    make(tmp_path, "1 / 0")
    with pytest.raises(EvidenceError, match=f"make evidence CHAPTER={CHAPTER}"):
        check([CHAPTER], tmp_path)
    write_evidence(tmp_path, [("glyphs", 0, "share", "", 1)], code="old")
    assert main([CHAPTER, "--root", str(tmp_path)]) == 1
    assert "The rerun of 01_stub failed: cell [3] raised ZeroDivisionError" in capsys.readouterr().err
