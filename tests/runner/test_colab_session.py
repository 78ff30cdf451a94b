"""What a session of the Colab-like run gives its kernel: an empty folder, and where addresses lead."""

import os
import subprocess
import sys

import nbformat

from runner.colab_session import Session, unreachable


def session(folder, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return Session(nbformat.v4.new_notebook(cells=cells), sys.executable, folder, {"SETTING": "given"})


def test_cells_run_in_an_empty_folder_without_the_book_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/a/book")
    monkeypatch.setenv("BOOK_DATASET", "digits")
    source = "import os; assert os.listdir() == [] and os.environ['SETTING'] == 'given'\n"
    source += "assert 'BOOK_DATASET' not in os.environ and 'PYTHONPATH' not in os.environ"
    with session(tmp_path, source, "1 / 0") as running:
        seconds, error = running.run(0)
        assert error == "" and seconds >= 0
        assert running.run(1)[1] == "ZeroDivisionError: division by zero"


def test_nothing_is_reachable_where_it_shall_not_be():
    command = ["git", "ls-remote", "https://github.com/lean-models/lean-models"]
    options = {"env": os.environ | unreachable(), "capture_output": True, "text": True}
    done = subprocess.run(command, **options)
    assert done.returncode and "unable to access" in done.stderr
