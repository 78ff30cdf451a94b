"""The setup cell of the chapters, in a pretended Colab: git and pip are scripts that do as they are told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "01_background.ipynb"
GIT = """#!/bin/sh
echo "git $*" >> log
[ -e no-network ] && { echo "Could not resolve host" >&2; exit 128; }
for folder; do :; done
mkdir -p "$folder/.git" "$folder/utils" && touch "$folder/utils/models.py" "$folder/requirements-colab.txt"
"""
PIP = """#!/bin/sh
echo "pip $*" >> log
[ -e no-pip ] && { echo "No matching distribution" >&2; exit 1; }
exit 0
"""
IN_COLAB = """
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
sys.executable = "./python"
"""
ELSEWHERE = (
    "import sys; sys.modules.pop('google.colab', None)"  # the tests may run in Colab's own environment
)


@pytest.fixture
def folder(tmp_path):
    for name, text in (("git", GIT), ("python", PIP)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def setup(folder, before=IN_COLAB):
    """Run the cell in `folder`; give the last line of its error, and where it found the book."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf8"))["cells"]
    (source,) = ["".join(c["source"]) for c in cells if "setup" in c["metadata"].get("tags", [])]
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-c", f"{before}\n{source}\nprint(sys.path[0])"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return (done.stderr.strip().splitlines() or [""])[-1], done.stdout.strip()


def log(folder):
    """The programs called so far."""
    file = folder / "log"
    return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []


def test_the_book_is_fetched_once(folder):
    for _ in range(2):
        assert setup(folder) == ("", str(folder / "lean-models"))
    assert log(folder) == ["git", "pip"]


def test_without_network_one_sentence_says_so_and_the_next_try_succeeds(folder):
    (folder / "no-network").touch()
    error, _ = setup(folder)
    assert error == "RuntimeError: fetching the book failed; run this cell again. Could not resolve host"
    (folder / "no-network").unlink()
    assert setup(folder)[0] == ""


def test_a_failed_installation_is_tried_again(folder):
    (folder / "no-pip").touch()
    assert "installing failed; run this cell again. No matching distribution" in setup(folder)[0]
    (folder / "no-pip").unlink()
    assert setup(folder) == ("", str(folder / "lean-models"))
    assert log(folder) == ["git", "pip"] * 2


@pytest.mark.parametrize("left", ["README.md", ".git/v0.0.1"])
def test_half_a_copy_and_an_older_one_are_replaced(folder, left):
    file = folder / "lean-models" / left
    file.parent.mkdir(parents=True)
    file.touch()
    assert setup(folder) == ("", str(folder / "lean-models"))
    assert not file.exists()


def test_elsewhere_the_book_around_the_notebook_is_found(folder):
    inner = folder / "book" / "notebooks"
    (folder / "book" / "utils").mkdir(parents=True)
    (folder / "book" / "utils" / "models.py").touch()
    inner.mkdir()
    assert setup(inner, ELSEWHERE) == ("", str(folder / "book"))
    error, _ = setup(folder, ELSEWHERE)
    assert error.startswith(f"RuntimeError: The book is not around {folder}; clone https://")
    assert log(folder) == []
