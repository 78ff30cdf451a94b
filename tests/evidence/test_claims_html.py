"""Numbers as a reader wants them, by hand; HTML read back by a parser."""

import pytest
from bs4 import BeautifulSoup

from utils.evidence.claims import Claim, Verdict
from utils.evidence.claims_html import decimals, html, margin_text
from utils.evidence.recording import Interval


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1.4, 0.72, 2.08), 1),
        ((12.34,), 0),
        ((0.123,), 2),
        ((0.0123, 0.001), 3),
        ((5.0, 0.02), 2),  # with one decimal the second would look like 0
        ((0.0,), 0),
        ((1e-9,), 4),
    ],
)
def test_the_largest_number_gets_two_digits_and_none_looks_like_0(numbers, expected):
    assert decimals(*numbers) == expected


def test_a_margin_has_its_unit_and_where_there_is_one_its_interval():
    assert margin_text(Interval(1.4, 0.72, 2.08, 0.5, 5), "points") == "1.4 points (0.7 to 2.1)"
    assert margin_text(Interval(1234.5, float("nan"), float("nan"), float("nan"), 1), "kB") == "1,234 kB"
    assert margin_text(None, "points") == ""


def test_texts_are_escaped_and_each_row_names_its_claim():
    claim = Claim("a", "01_stub", "x < y & z", "m", "points")
    rows = [[Verdict(claim, "glyphs", None, "does not hold"), Verdict(claim, "my <set>", None, "undecided")]]
    _, row = BeautifulSoup(html(rows), "html.parser").find_all("tr")
    assert row.th.text == "x < y & z" and row.th["scope"] == "row"
    assert [cell["data-dataset"] for cell in row.find_all("td")] == ["glyphs", "my <set>"]
    assert [word["class"] for word in row.find_all("strong")] == [
        ["verdict", "does-not-hold"],
        ["verdict", "undecided"],
    ]
    assert html([]) == ""
