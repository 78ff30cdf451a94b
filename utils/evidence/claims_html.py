"""Draws verdicts as HTML: a row a claim, the verdict first; `book/_static/custom.css` colours it."""

from html import escape
from math import floor, log10


def decimals(*numbers):
    """Say how many decimals give the largest of the numbers two digits, and no number but 0 the look of 0.

    Args:
        numbers: of one unit, shown side by side.

    Returns:
        0...4.
    """
    largest = max(abs(number) for number in numbers)
    needed = 0 if largest == 0 else min(max(1 - floor(log10(largest)), 0), 4)
    while needed < 4 and any(number and float(f"{number:.{needed}f}") == 0 for number in numbers):
        needed += 1
    return needed


def margin_text(margin, unit):
    """Write a margin with its unit and 95 % interval, such as "1.4 points (0.7 to 2.1)".

    Args:
        margin: with `mean`, `low`, `high` and `n`, the number of seeds; or None, which gives "".
        unit: of all three.
    """
    if margin is None:
        return ""
    if margin.n < 2:
        return f"{margin.mean:,.{decimals(margin.mean)}f} {unit}"
    places = decimals(margin.mean, margin.low, margin.high)
    return f"{margin.mean:,.{places}f} {unit} ({margin.low:,.{places}f} to {margin.high:,.{places}f})"


def html(rows):
    """Draw a table of claims.

    Args:
        rows: a list with, for each claim, a list of verdicts: one a dataset, the same datasets in each.

    Returns:
        HTML; "" if there are no rows.
    """
    if not rows:
        return ""
    names = "".join(f'<th scope="col">{escape(item.dataset)}</th>' for item in rows[0])
    lines = ['<table class="claims">', "<thead>", f'<tr>{names}<th scope="col">claim</th></tr>', "</thead>"]
    lines += ["<tbody>", *(_row(items) for items in rows), "</tbody>", "</table>"]
    return "\n".join(lines)


def _row(items):
    """Draw a claim's row: a cell a dataset with word and margin, then the claim as the row's header."""
    cells = ""
    for item in items:
        word = f'<strong class="verdict {item.verdict.replace(" ", "-")}">{item.verdict}</strong>'
        margin = escape(margin_text(item.margin, item.claim.unit))
        cells += f'<td data-dataset="{escape(item.dataset)}">{word} <span>{margin}</span></td>'
    return f'<tr>{cells}<th scope="row">{escape(items[0].claim.says)}</th></tr>'
