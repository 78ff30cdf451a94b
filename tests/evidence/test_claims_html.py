"""Oracles: numbers rounded by hand, and the text of the drawn table as a parser reads it."""

import pytest
from bs4 import BeautifulSoup

from tests.evidence.test_claims import SIDES, book
from utils.evidence.claims import show
from utils.evidence.claims_html import decimals, html, margin_text
from utils.evidence.recording import interval


@pytest.mark.parametrize(
    ("numbers", "places"),
    [((1.4, 0.72, 2.08), 1), ((13.2,), 0), ((0.0512,), 3), ((0.6, 0.004), 3), ((0.0,), 0), ((1e-9,), 4)],
)
def test_two_digits_and_nothing_looks_like_zero(numbers, places):
    assert decimals(*numbers) == places


def test_margins_carry_their_unit_and_interval():
    assert margin_text(interval([2, 1, 2, 1, 1]), "points") == "1.4 points (0.7 to 2.1)"
    assert margin_text(interval([1234.5]), "steps") == "1,234 steps"
    assert margin_text(None, "points") == ""


def test_the_verdict_stands_first_and_the_claim_is_the_header_of_its_row(tmp_path):
    shown = show("01_stub", root=book(tmp_path, "wide - narrow", "narrow - wide", sides=SIDES))
    assert shown._repr_html_() == str(shown)
    rows = BeautifulSoup(shown, "html.parser").select("tbody tr")
    assert [row.td.strong.get_text() for row in rows] == ["holds", "does not hold"]
    assert [row.td["data-dataset"] for row in rows] == ["glyphs", "glyphs"]
    assert rows[0].td.span.get_text() == "1.4 points (0.7 to 2.1)"
    assert rows[0].find("th")["scope"] == "row" and "claim-0" in rows[0].find("th").get_text()
    assert [row.find_all("td")[1].get_text(strip=True) for row in rows] == ["not measured"] * 2
    assert html([]) == ""
