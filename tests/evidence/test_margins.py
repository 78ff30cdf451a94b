"""Oracle: Python's own evaluation of the same expression, and expressions worked out by hand."""

import math
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
    return generator.choice([text, f"({text})", f"-{left}", f"-({text})", f"log({text})"])


def test_margins_by_hand():
    assert evaluate(parse("wide - narrow"), VALUES) == 19.5
    assert evaluate(parse(" -(wide - 2 * narrow) / ms_2 + 0.5 "), VALUES) == 15
    assert names(parse("wide - narrow * (wide - 1)")) == {"wide", "narrow"}
    assert evaluate(parse("log(ms_2) - log(3 * ms_2 / 2)"), VALUES) == pytest.approx(-0.405465, abs=1e-6)
    assert names(parse("log(wide) - log(log + 1)")) == {"wide", "log"}  # a number may be called log, too


@pytest.mark.parametrize("text", ["log(wide - 82.5)", "log(-ms_2)", "1 - log(narrow - wide)"])
def test_a_logarithm_needs_a_positive_number(text):
    with pytest.raises(ValueError, match=r"log\(.*\) would be that of -?[\d.]+, not above 0"):
        evaluate(parse(text), VALUES)


def test_margins_as_python_evaluates_them():
    generator, compared = random.Random(0), 0
    while compared < 300:
        text = f"{random_expression(generator, generator.randrange(4))} + wide"
        try:
            expected = eval(text, {"log": math.log}, VALUES)
        except (ZeroDivisionError, ValueError) as error:
            with pytest.raises(type(error)):
                evaluate(parse(text), VALUES)
            continue
        assert evaluate(parse(text), VALUES) == expected
        compared += 1


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("__import__('os').system('true')", "__import__"),
        ("max(wide, narrow)", "max"),
        ("log(wide, narrow)", r"log\(wide, narrow\)"),
        ("log(x=wide)", r"log\(x=wide\)"),
        ("log() + wide", r"log\(\)"),
        ("log(*wide)", r"\*wide"),
        ("wide.log(2)", r"wide.log\(2\)"),
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
