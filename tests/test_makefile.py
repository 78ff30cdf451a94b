"""The Makefile's environment, with scripts in place of Pythons: which one makes it, and when anew."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
case "$*" in
  *"print(*sys.version_info"*) echo "{version}" | tr . " " ;;
  *"sys.exit(sys.version_info"*) exit {old} ;;
  "--version") echo "Python {version}" ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with the Makefile and three Pythons that do nothing."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "constraints.txt"):
        (tmp_path / name).touch()
    for version in ("3.10", "3.11", "3.13"):
        script = tmp_path / f"python{version}"
        script.write_text(PYTHON.format(version=version, old=int(version == "3.10")))
        script.chmod(0o755)
    return tmp_path


def make(folder, *arguments):
    """Call make; give what it printed, and the version of the environment afterwards."""
    command = ["make", "-C", str(folder), "--no-print-directory", *arguments, ".venv/installed"]
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS")}
    done = subprocess.run(command, capture_output=True, text=True, env=outside)
    python = folder / ".venv" / "bin" / "python"
    return done, subprocess.run([python, "--version"], capture_output=True, text=True).stdout.strip()


def test_an_environment_of_another_version_is_made_anew(folder):
    assert make(folder, "PYTHON=./python3.11")[1] == "Python 3.11"
    (folder / ".venv" / "kept").touch()
    assert make(folder, "PYTHON=./python3.11")[1] == "Python 3.11"
    assert (folder / ".venv" / "kept").exists()
    done, found = make(folder, "PYTHON=./python3.13")
    assert found == "Python 3.13" and "has Python 3.11, not Python 3.13: it is made anew" in done.stdout
    assert not (folder / ".venv" / "kept").exists()


def test_without_a_name_the_environment_stays(folder):
    make(folder, "PYTHON=./python3.13")
    assert make(folder)[1] == "Python 3.13"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("./python3.10", "./python3.10 is Python 3.10; the book needs Python 3.11 or later"),
        ("./nothing", "There is no ./nothing"),
    ],
)
def test_a_python_that_does_not_serve_is_named_and_removes_nothing(folder, name, sentence):
    make(folder, "PYTHON=./python3.11")
    done, found = make(folder, f"PYTHON={name}")
    assert done.returncode != 0 and sentence in done.stderr and found == "Python 3.11"
