"""Digests before and after edits that change what code does, and edits that do not."""

import subprocess
import sys

import pytest

from utils.source import code_digest, digest

CODE = "def double(x):\n    return 2 * x\n"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("# twice\ndef double(x):\n\n    return (2 * x)\n", True),
        ('"""Numbers."""\n\ndef double(x):\n    """Twice."""\n    return 2 * x\n', True),
        ("def double(x):\n    return 3 * x\n", False),
        ("def double(y):\n    return 2 * y\n", False),
        (CODE + "x = None\n", False),
    ],
)
def test_code_counts_and_nothing_else(tmp_path, text, same):
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text(CODE)
    second.write_text(text)
    assert (code_digest(first) == code_digest(second)) is same


def test_digests_tell_nested_parts_apart_and_are_the_same_in_another_process():
    assert len({digest("ab", "c"), digest("a", "bc"), digest(["a"], "bc"), digest("abc")}) == 4
    script = "from utils.source import digest; print(digest('a', [1, 2.5, None], {'b': 'c'}))"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest("a", [1, 2.5, None], {"b": "c"})


def test_a_digest_is_the_same_on_every_machine_and_in_every_python(tmp_path):
    """Written down once, so that a Python that parses otherwise is caught."""
    file = tmp_path / "code.py"
    file.write_text(CODE + "s = f'{1:.2f} {2!r}'\nasync def g(*, a=1, **k): pass\n")
    assert code_digest(file) == "3fd8bf9b2a431645"
