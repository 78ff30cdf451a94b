"""Oracle: Python's own evaluation of the same expression, and expressions worked out by hand."""

import random

import pytest

from utils.evidence.margins import evaluate, names, parse

VALUES = {"wide": 82.5, "narrow": 63.0, "seed_spread": 0.25, "ms_2": 3.0}


def random_expression(generator, depth):
    """Give a random legal expression with at least one name."""
    if depth == 0:
        return generator.choice([*VALUES, "2", "0.5", "1e3"])
    left, right = (random_expression(generator, depth - 1) for _ in range(2))
    text = f"{left} {generator.choice('+-*/')} {right}"
    return generator.choice([text, f"({text})", f"-{left}", f"-({text})"])


def test_margins_by_hand():
    assert evaluate(parse("wide - narrow"), VALUES) == 19.5
    assert evaluate(parse(" -(wide - 2 * narrow) / ms_2 + 0.5 "), VALUES) == 15
    assert names(parse("wide - narrow * (wide - 1)")) == {"wide", "narrow"}


def test_margins_as_python_evaluates_them():
    generator, compared = random.Random(0), 0
    while compared < 300:
        text = f"{random_expression(generator, generator.randrange(4))} + wide"
        try:
            expected = eval(text, {}, VALUES)
        except ZeroDivisionError:
            with pytest.raises(ZeroDivisionError):
                evaluate(parse(text), VALUES)
            continue
        assert evaluate(parse(text), VALUES) == expected
        compared += 1


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("__import__('os').system('true')", "__import__"),
        ("max(wide, narrow)", "max"),
        ("wide.real", "wide.real"),
        ("wide[0]", "wide"),
        ("wide ** 2", r"wide \*\* 2"),
        ("wide // 2", "wide // 2"),
        ("wide > narrow", "wide > narrow"),
        ("+wide", r"\+wide"),
        ("not wide", "not wide"),
        ("wide - True", "True"),
        ("wide - 'a'", "'a'"),
        ("wide - 1j", "1j"),
        ("(lambda: wide)", "lambda"),
        ("wide if wide else 1", "if"),
        ("(wide, narrow)", "wide, narrow"),
    ],
)
def test_everything_else_is_refused_and_named(text, piece):
    with pytest.raises(ValueError, match=f"{piece}.*not allowed"):
        parse(text)


@pytest.mark.parametrize("text", ["", "wide -", "wide = 1", "a; b", "1 + 2"])
def test_what_is_no_margin_is_refused(text):
    with pytest.raises(ValueError, match="is not an expression|uses no recorded name"):
        parse(text)
