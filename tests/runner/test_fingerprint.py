"""The hash is compared before and after edits that change numbers, and edits that do not."""

import pytest

from runner import fingerprint as module
from runner.fingerprint import fingerprint, matches
from tests.stub_book import CHAPTER, RECORDS, make, write_evidence
from utils.evidence.store import EvidenceError


def edited(root, name, text):
    """Give the fingerprint after one module of `utils` got another text."""
    (root / "utils" / name).write_text(text)
    return fingerprint(CHAPTER, root)


def test_comments_formatting_docstrings_and_plots_do_not_count(tmp_path):
    code = fingerprint(CHAPTER, make(tmp_path))
    assert edited(tmp_path, "training.py", '"""Trains."""\n\nEPOCHS   = (6)\n') == code
    assert edited(tmp_path, "plotting.py", "WIDTH = 7\n") == code
    cells = ("%matplotlib inline\n!ls\n" + RECORDS, ("draw()", "figure"), ("import sys", "setup"))
    assert fingerprint(CHAPTER, make(tmp_path, *cells)) == code
    assert (
        fingerprint(CHAPTER, make(tmp_path, RECORDS + "# done", ("draw()", "figure"), ("1", "setup"))) == code
    )
    first, second = RECORDS.split("for ")
    assert fingerprint(CHAPTER, make(tmp_path, first, "for " + second)) == code


def test_code_that_measures_counts(tmp_path):
    code = fingerprint(CHAPTER, make(tmp_path))
    assert edited(tmp_path, "training.py", "EPOCHS = 7\n") != code
    assert edited(tmp_path, "training.py", "EPOCHS = 6\n") == code
    assert fingerprint(CHAPTER, make(tmp_path, RECORDS.replace("80", "81"))) != code


def test_what_measuring_modules_import_counts(tmp_path):
    make(tmp_path)
    (tmp_path / "utils" / "training.py").write_text("from utils import schedule\n")
    code = edited(tmp_path, "schedule.py", "from utils.steps import STEPS\n")
    assert edited(tmp_path, "steps.py", "STEPS = 1\n") != code
    code = fingerprint(CHAPTER, make(tmp_path, "from utils.pruning import prune\n" + RECORDS))
    assert edited(tmp_path, "pruning.py", "x = 1\n") != code


def test_torch_counts_but_not_its_build(tmp_path, monkeypatch):
    make(tmp_path)
    found = {}
    for version in ("2.1.0", "2.1.0+cpu", "2.2.0"):
        monkeypatch.setattr(module, "version", lambda name, version=version: version)
        found[version] = fingerprint(CHAPTER, tmp_path)
    assert found["2.1.0"] == found["2.1.0+cpu"] != found["2.2.0"]


def test_matches_compares_with_the_file(tmp_path):
    make(tmp_path)
    write_evidence(tmp_path, [], code=fingerprint(CHAPTER, tmp_path))
    assert matches(CHAPTER, tmp_path)
    (tmp_path / "utils" / "training.py").write_text("EPOCHS = 7\n")
    assert not matches(CHAPTER, tmp_path)


def test_an_unknown_chapter_is_an_error(tmp_path):
    with pytest.raises(EvidenceError, match="the chapters there: 01_stub"):
        fingerprint("01_stubb", make(tmp_path))


def test_of_a_room_only_the_modules_that_are_used_count(tmp_path):
    make(tmp_path, "from utils.room import fit, muon\n" + RECORDS)
    room = tmp_path / "utils" / "room"
    room.mkdir()
    (room / "__init__.py").write_text("from utils.room.loop import fit\nfrom utils.room.other import more\n")
    (room / "loop.py").write_text("from utils.room.recipe import x\n")
    (room / "muon.py").touch()
    codes = [edited(tmp_path, f"room/{name}.py", "x = 1\n") for name in ("other", "muon", "recipe")]
    assert edited(tmp_path, "room/other.py", "x = 2\n") == codes[-1]
    for name in ("muon", "recipe"):
        codes.append(edited(tmp_path, f"room/{name}.py", "x = 2\n"))
    assert len(set(codes[2:])) == 3
    make(tmp_path, "from utils.room import nothing\n" + RECORDS)
    with pytest.raises(EvidenceError, match="utils/room exports no nothing"):
        fingerprint(CHAPTER, tmp_path)
