"""Oracle: the text of the file, written out by hand."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from tests.stub_book import CHAPTER, write_evidence
from utils.evidence.store import COLUMNS, Evidence, EvidenceError, chapters, number, read, replace, write

TEXT = """# hash: abc
# torch: 2.0
# tolerances: {"accuracy": 0.1}
# timing: ["milliseconds"]
dataset,seed,name,at,value
digits,0,accuracy,,81.234568
glyphs,0,accuracy,,1
glyphs,0,accuracy,0.5,2
glyphs,0,accuracy,16,12345678901
glyphs,1,milliseconds,,1e-09
"""


def test_the_file_is_sorted_trimmed_and_read_back(tmp_path):
    rows = [
        ("glyphs", 1, "milliseconds", None, 1e-9),
        ("glyphs", 0, "accuracy", 16, 12345678901),
        ("glyphs", 0, "accuracy", 0.5, 2.0),
        ("glyphs", 0, "accuracy", None, 1.0),
        ("digits", 0, "accuracy", None, 81.23456789),
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"at": float})
    write(CHAPTER, Evidence("abc", "2.0", table, {"accuracy": 0.1}, ("milliseconds",)), tmp_path)
    file = tmp_path / "book" / "evidence" / f"{CHAPTER}.csv"
    assert file.read_text() == TEXT
    assert [p.name for p in file.parent.iterdir()] == [file.name]  # no temporary file stays
    again = read(CHAPTER, tmp_path)
    write(CHAPTER, again, tmp_path)
    assert file.read_text() == TEXT and again.timing == ("milliseconds",)


def test_names_that_pandas_takes_for_missing_values_are_kept(tmp_path):
    write_evidence(tmp_path, [("/a #1/null", 0, "nan", "", 3)])
    assert read(CHAPTER, tmp_path).rows.iloc[0][["dataset", "name"]].tolist() == ["/a #1/null", "nan"]


@pytest.mark.parametrize(("value", "text"), [(8.0, "8"), (0.5, "0.5"), (1 / 3, "0.33333333"), (-0.0, "0")])
def test_number(value, text):
    assert number(value) == text


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(EvidenceError, match=f"make evidence CHAPTER={CHAPTER}"):
        read(CHAPTER, tmp_path)
    write_evidence(tmp_path, [("glyphs", 0, "accuracy", "", "much")])
    with pytest.raises(EvidenceError, match="not an evidence file"):
        read(CHAPTER, tmp_path)
    write_evidence(tmp_path, [], timing="[")
    with pytest.raises(EvidenceError, match="restore it"):
        read(CHAPTER, tmp_path)


def test_chapters_leaves_unfinished_runs_out(tmp_path):
    write_evidence(tmp_path, [])
    (tmp_path / "book" / "evidence" / "02_other.partial.csv").touch()
    assert chapters(tmp_path) == [CHAPTER]


def test_threads_that_write_one_file_do_not_take_each_others_half(tmp_path):
    """Each gives its part a name of its own; with one name the second to finish finds nothing to rename."""
    texts = [str(i) * 200_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: [replace(tmp_path / "file", text) for _ in range(20)], texts))
    assert (tmp_path / "file").read_text() in texts and len(list(tmp_path.iterdir())) == 1
