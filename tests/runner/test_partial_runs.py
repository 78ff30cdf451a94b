"""Finished runs are stored, read back and put together; the expected rows are written out by hand."""

from runner.partial_runs import evidence, load, path, save
from tests.stub_book import CHAPTER, write_evidence


def row(name, value, at=None, timing=False, tolerance=None):
    return {"name": name, "value": value, "at": at, "timing": timing, "tolerance": tolerance}


FINISHED = {
    ("main", "glyphs", 0): [row("share", 0.1 + 0.2, at=8.0, tolerance=0.5), row("ms", 9, timing=True)],
    ("timing", "glyphs", 0): [row("share", 0.9, at=8.0), row("ms", 5, timing=True)],
    ("main", "a, b #1", 1): [],
}


def test_runs_come_back_as_they_were(tmp_path):
    save(CHAPTER, "abc", FINISHED, tmp_path)
    assert load(CHAPTER, "abc", tmp_path) == FINISHED


def test_runs_of_older_code_are_left_aside(tmp_path, capsys):
    save(CHAPTER, "abc", FINISHED, tmp_path)
    assert load(CHAPTER, "abd", tmp_path) == {}
    assert "has changed" in capsys.readouterr().out and path(CHAPTER, tmp_path).exists()


def test_the_evidence_file_counts_as_finished(tmp_path):
    lines = [("glyphs", 0, "share", 8, 0.3), ("glyphs", 0, "ms", "", 5)]
    write_evidence(tmp_path, lines, code="abc", timing='["ms"]', tolerances='{"share": 0.5}')
    share, ms = row("share", 0.3, at=8.0, tolerance=0.5), row("ms", 5.0, timing=True)
    expected = {("main", "glyphs", 0): [share], ("timing", "glyphs", 0): [ms]}
    assert load(CHAPTER, "abc", tmp_path) == expected
    assert load(CHAPTER, "abd", tmp_path) == {}
    save(CHAPTER, "abc", expected, tmp_path)
    assert load(CHAPTER, "abc", tmp_path) == expected  # and nothing counts twice


def test_each_pass_gives_its_own_numbers():
    found = evidence("abc", FINISHED, timing=True)
    rows = found.rows[["dataset", "seed", "name", "value"]].values.tolist()
    assert rows == [["glyphs", 0, "share", 0.1 + 0.2], ["glyphs", 0, "ms", 5]]
    assert found.tolerances == {"share": 0.5} and found.timing == ("ms",)
    only_main = {key: records for key, records in FINISHED.items() if key[0] == "main"}
    assert evidence("abc", only_main, timing=True).rows.empty
    assert evidence("abc", only_main, timing=False).rows["name"].tolist() == ["share"]
