"""The networks that ship with the book: complete, small, and what their recipe gives when followed anew."""

from pathlib import Path

import pytest

from runner import shipped
from utils.data import load
from utils.evidence.store import ROOT, read
from utils.measuring.evaluation import accuracy
from utils.training import RECIPE, base_network

FOLDER = ROOT / "book" / "networks"
FOREIGN = "other-0.safetensors"


@pytest.fixture(scope="module")
def glyphs():
    return load("glyphs", seed=shipped.SEED)


def test_what_ships_is_what_the_default_pages_start_from(glyphs):
    files = sorted(FOLDER.iterdir())
    made = "make networks"
    assert {file.stem for file in files} == set(shipped.names(glyphs)), f"code or recipe has changed: {made}"
    assert sum(file.stat().st_size for file in files) <= shipped.MOST_BYTES


def test_a_network_trained_anew_is_as_good_as_the_one_that_ships(glyphs, tmp_path, monkeypatch):
    """Within three deviations over seeds, as chapter 1 stores them, of the same images and recipe."""
    before = accuracy(base_network(glyphs, shipped.SEED, width=8), glyphs.test)
    monkeypatch.setenv("BOOK_NETWORKS_DIR", "")
    monkeypatch.setenv("BOOK_CACHE_DIR", str(tmp_path))
    fresh = accuracy(base_network(glyphs, shipped.SEED, width=8, recipe=RECIPE), glyphs.test)
    rows = read("01_background").rows
    stored = rows[(rows["name"] == "small_accuracy") & (rows["dataset"] == "glyphs")]["value"]
    assert len(list(tmp_path.glob("*.safetensors"))) == 1, "it was not trained"
    assert abs(fresh - before) < 3 * stored.std()


def test_making_removes_what_no_page_starts_from(tmp_path, monkeypatch):
    """On a recipe of one step, so that nothing is really trained."""
    small = load("glyphs", seed=shipped.SEED, train_size=47)
    quick = shipped.replace(RECIPE, epochs=1)
    monkeypatch.setattr(shipped, "load", lambda *_, **__: small)
    monkeypatch.setattr(shipped, "SHIPPED", ((8, quick), (16, quick)))
    monkeypatch.setenv("BOOK_NETWORKS_DIR", "")  # which `make` sets: it is restored after the test
    monkeypatch.setenv("BOOK_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "book" / "networks").mkdir(parents=True)
    (tmp_path / "book" / "networks" / FOREIGN).touch()
    size = shipped.make(tmp_path)
    files = list(Path(tmp_path / "book" / "networks").iterdir())
    assert {file.stem for file in files} == set(shipped.names(small))
    assert size == sum(file.stat().st_size for file in files)
