"""What is written where there is a terminal, and where there is none."""

import io

import pytest

from runner import progress
from runner.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_now_and_then_and_say_how_long_it_takes(clock):
    file = io.StringIO()
    shown = Progress("01_stub on glyphs", 8, file=file)
    shown.update(1)
    assert file.getvalue() == ""
    clock[0] += 40
    shown.update(2)
    shown.update(3)
    assert file.getvalue() == "01_stub on glyphs: 2 of 8 cells, 40 s passed, about 120 s left\n"
    clock[0] += 40
    shown.update(8)
    shown.close()
    assert file.getvalue().splitlines()[1:] == [
        "01_stub on glyphs: 8 of 8 cells, 80 s passed, about 0 s left"
    ]


def test_a_terminal_gets_a_bar():
    file = Terminal()
    shown = Progress("01_stub on glyphs", 8, file=file)
    shown.update(2)
    shown.close()
    assert "01_stub on glyphs" in file.getvalue() and "2/8 cells" in file.getvalue()
