"""Two chapters at once whose cells note when they begin and end: those that time something must be alone."""

import itertools
import json

import pytest

from runner.cell_watch import times_something
from runner.execution import run
from tests.stub_book import CHAPTER, add_pages, make

CELL = """
import json, pathlib, time
root = next(folder for folder in pathlib.Path.cwd().parents if (folder / "_config.yml").exists())
begin = time.monotonic()
time.sleep(0.3)
with (root / "log").open("a") as log:
    log.write(json.dumps([begin, time.monotonic(), {alone}]) + "\\n")
"""
TIMED = CELL.format(alone="True") + "# record(..., timing=True)"
PLAIN = CELL.format(alone="False")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """(begin, end, alone) of every cell of two chapters that ran at once, one of which times something."""
    book = add_pages(make(tmp_path_factory.mktemp("book"), *[PLAIN, TIMED] * 3))
    other = make(tmp_path_factory.mktemp("other"), *[PLAIN] * 12)
    (other / "notebooks" / f"{CHAPTER}.ipynb").rename(book / "notebooks" / "02_other.ipynb")
    assert run(root=book, jobs=2) == []
    return [json.loads(line) for line in (book / "log").read_text().splitlines()]


def overlaps(first, second):
    return first[0] < second[1] and second[0] < first[1]


def test_cells_that_time_something_run_alone_and_others_side_by_side(log):
    assert len(log) == 18 and sum(alone for *_, alone in log) == 3
    pairs = [pair for pair in itertools.combinations(log, 2) if overlaps(*pair)]
    assert pairs, "nothing ran side by side"
    assert [pair for pair in pairs if pair[0][2] or pair[1][2]] == []


@pytest.mark.parametrize(
    "source",
    ['record("x", 1, timing=True)', "costs = cost.measure(net, x)", "cost.compare({})", "by_layer(net, x)"],
)
def test_what_measures_time_is_known_by_its_calls(source):
    assert times_something(source)
    assert not times_something("cost.macs(net, x)\nrecord('x', 1)")
