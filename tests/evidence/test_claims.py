"""Oracles: margins and intervals worked out by hand, scipy's paired t interval."""

import pytest
from bs4 import BeautifulSoup
from scipy import stats

from tests.stub_book import CHAPTER, write_evidence
from utils.evidence.claims import ClaimError, claims, show, stale, update, verdicts

CLAIM = """
[[claim]]
id = "{id}"
chapter = "01_stub"
says = "The {id} one is better."
margin = "{margin}"
unit = "points"
"""
SIDES = {"wide": [82, 83, 81, 84, 82], "narrow": [80, 82, 79, 83, 81]}  # margins 2, 1, 2, 1, 1


def write_claims(root, *entries):
    (root / "book").mkdir(exist_ok=True)
    (root / "book" / "claims.toml").write_text("# The claims.\n" + "".join(entries))


def book(root, *margins, dataset="glyphs", sides=SIDES):
    """Write one claim for each margin, and the evidence of `sides`: name to values over seeds."""
    write_claims(root, *(CLAIM.format(id=f"claim-{i}", margin=margin) for i, margin in enumerate(margins)))
    pairs = [(name, seed, value) for name, values in sides.items() for seed, value in enumerate(values)]
    write_evidence(root, [(dataset, seed, name, "", value) for name, seed, value in pairs])
    return root


def words(root):
    return {(item.claim.id, item.dataset): item.verdict for item in verdicts(root)}


def test_margins_are_paired_over_seeds(tmp_path):
    margin = verdicts(book(tmp_path, "wide - narrow"))[0].margin
    low, high = stats.t.interval(0.95, 4, loc=1.4, scale=stats.sem([2, 1, 2, 1, 1]))
    assert margin.mean == pytest.approx(1.4) and margin.n == 5
    assert (margin.low, margin.high) == pytest.approx((low, high))  # 0.72 to 2.08: unpaired, it would hold 0


def test_the_four_verdicts(tmp_path):
    # The interval is 1.4 +- 0.68, so it lies above 0, below 0, or around 0.
    book(
        tmp_path,
        "wide - narrow",
        "narrow - wide",
        "wide - narrow - 1.4",
        "wide - narrow - 0.6",
        "wide - deep",
    )
    expected = ["holds", "does not hold", "undecided", "holds", "not measured"]
    assert [words(tmp_path)[f"claim-{i}", "glyphs"] for i in range(5)] == expected
    assert words(tmp_path)["claim-0", "fashion-mnist"] == "not measured"


def test_four_seeds_decide_nothing(tmp_path):
    book(tmp_path, "wide", sides={"wide": [5, 5, 5, 5]})
    assert words(tmp_path)["claim-0", "glyphs"] == "undecided"
    book(tmp_path, "wide", sides={"wide": [5, 5, 5, 5, 5]})
    assert words(tmp_path)["claim-0", "glyphs"] == "holds"  # equal margins: the interval is a point


def test_seeds_that_lack_a_name_do_not_count(tmp_path):
    book(tmp_path, "wide - narrow", sides={"wide": [3] * 5, "narrow": [1] * 4})
    assert verdicts(tmp_path)[0].margin.n == 4


def test_points_of_a_sweep_do_not_count(tmp_path):
    book(tmp_path, "wide")
    write_evidence(tmp_path, [("glyphs", seed, "wide", 8, 1) for seed in range(5)])
    assert words(tmp_path)["claim-0", "glyphs"] == "not measured"


def test_a_claim_before_its_evidence_is_not_measured(tmp_path):
    write_claims(tmp_path, CLAIM.format(id="new", margin="wide"))
    assert set(words(tmp_path).values()) == {"not measured"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([CLAIM.format(id="a", margin="wide")] * 2, "'a' stands twice"),
        ([CLAIM.replace("unit", "units").format(id="a", margin="wide")], "'a' has no unit"),
        (["[[claim]]\nsays = 'x'\n"], "'number 1' has no id, chapter, margin, unit"),
        ([CLAIM.format(id="a", margin="max(wide)")], r"claim 'a' is not legal: 'max\(wide\)'"),
        ([CLAIM.format(id="a", margin="wide") + "since = 2\n"], "'a' has the since 2; give it as a text"),
        ([CLAIM.format(id="a", margin="wide") + "since = ' '\n"], "'a' has the since ' '"),
        ([CLAIM.format(id="a", margin="wide") + "replaces = 'b'\n"], "'a' replaces 'b', no other claim"),
        ([CLAIM.format(id="a", margin="wide") + "replaces = 'a'\n"], "'a' replaces 'a', no other claim"),
        (["[[claim"], "cannot be read as TOML"),
    ],
)
def test_bad_entries_are_named(tmp_path, entries, message):
    write_claims(tmp_path, *entries)
    with pytest.raises(ClaimError, match=message):
        claims(tmp_path)


def test_division_by_zero_is_named(tmp_path):
    book(tmp_path, "wide / (narrow - 80)")
    with pytest.raises(ClaimError, match="'claim-0' divides by zero on glyphs, seed 0"):
        verdicts(tmp_path)


def test_a_logarithm_of_nothing_is_named(tmp_path):
    book(tmp_path, "log(narrow - 79)")
    with pytest.raises(ClaimError, match=r"'claim-0' is none on glyphs, seed 2: log\(narrow - 79\).*above 0"):
        verdicts(tmp_path)


def test_skewed_ratios_are_judged_by_their_logarithm(tmp_path):
    # Tenfold or more in each seed: the deviation of the ratios hides it, that of their logarithms does not.
    book(tmp_path, "grown - 1", "log(grown)", sides={"grown": [10, 12, 15, 40, 300]})
    assert [words(tmp_path)[f"claim-{i}", "glyphs"] for i in range(2)] == ["undecided", "holds"]


def test_the_history_of_a_claim_stands_in_the_table(tmp_path):
    book(tmp_path, "wide", "wide - narrow")
    file = tmp_path / "book" / "claims.toml"
    file.write_text(file.read_text() + 'replaces = "claim-0"\nsince = "Until May in percent."\n')
    assert [claim.history for claim in claims(tmp_path)] == ["", "Replaces claim-0. Until May in percent."]
    file.write_text(file.read_text().replace('since = "Until May in percent."\n', ""))
    assert claims(tmp_path)[1].history == "Replaces claim-0."
    file.write_text(file.read_text() + 'since = "Until May in percent."\n')
    _, second, third = BeautifulSoup(show(CHAPTER, "glyphs", tmp_path), "html.parser").find_all("tr")
    assert second.th.text == "The claim-0 one is better."
    assert third.th.text == "The claim-1 one is better. (Replaces claim-0. Until May in percent.)"
    update(tmp_path)
    assert claims(tmp_path)[1].replaces == "claim-0"  # storing verdicts keeps them


def test_show_puts_the_verdict_first(tmp_path):
    book(tmp_path, "wide - narrow", "deep")
    page = show(CHAPTER, "glyphs", tmp_path)
    assert page._repr_html_() == page
    head, first, second = BeautifulSoup(page, "html.parser").find_all("tr")
    assert [cell.text for cell in head.find_all("th")] == ["glyphs", "claim"]
    assert first.strong.text == "holds" and first.strong["class"] == ["verdict", "holds"]
    assert first.td.span.text == "1.4 points (0.7 to 2.1)"  # by hand: t(4) x 0.548 / root of 5 is 0.68
    assert second.strong.text == "not measured" and second.td.span.text == ""
    both = BeautifulSoup(show(CHAPTER, root=tmp_path), "html.parser").find_all("tr")
    assert [cell["data-dataset"] for cell in both[1].find_all("td")] == ["glyphs", "fashion-mnist"]
    assert show("02_other", root=tmp_path) == ""


def test_update_stores_the_verdicts(tmp_path):
    book(tmp_path, "wide - narrow", "narrow - wide")
    assert len(stale(tmp_path)) == 4
    update(tmp_path)
    assert stale(tmp_path) == []
    file = tmp_path / "book" / "claims.toml"
    file.write_text(file.read_text().replace('"does not hold"', '"holds"'))
    assert stale(tmp_path) == ["claim-1 on glyphs: stored holds, recomputed does not hold"]


def test_the_stored_verdicts_of_the_book_are_those_of_its_evidence():
    assert not stale(), "run: python -m runner.verdicts --update"
