"""Oracle: the evidence file itself."""

import re

import pytest

from runner import picture
from utils.evidence.store import ROOT

STATIC = ROOT / "book" / "_static"


@pytest.mark.parametrize("name", ["tradeoff.svg", "preview.png"])
def test_the_committed_picture_is_of_the_stored_evidence(name):
    assert f"evidence {picture.digest()}".encode() in (STATIC / name).read_bytes(), (
        "the evidence changed: run python -m runner.picture"
    )


def test_the_picture_shows_every_dataset_and_changes_with_the_evidence(tmp_path):
    evidence = ROOT / "book" / "evidence" / "01_background.csv"
    copy = tmp_path / "book" / "evidence" / evidence.name
    copy.parent.mkdir(parents=True)
    copy.write_text(evidence.read_text(encoding="utf8"), encoding="utf8")
    first, again, other = (tmp_path / f"{name}.svg" for name in ("first", "again", "other"))
    picture.draw(first, tmp_path)
    picture.draw(again, tmp_path)
    assert first.read_bytes() == again.read_bytes()
    lines = re.findall(r'<g id="line2d_\d+">', first.read_text(encoding="utf8"))
    assert len(lines) >= 2 * 2  # a line for each of the two datasets in each of the two panels
    copy.write_text(copy.read_text(encoding="utf8") + "glyphs,9,width_accuracy,4,1\n", encoding="utf8")
    picture.draw(other, tmp_path)
    assert other.read_bytes() != first.read_bytes()
