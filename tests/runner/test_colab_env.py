"""Colab's list and what the book adds to it; making the environment itself is `make test-colab`."""

import json
import re
import sys
from pathlib import Path

import pytest

from runner import colab_env

ROOT = Path(__file__).parents[2]


def lowered(name):
    return name.lower().replace("_", "-")


def test_the_list_is_that_of_a_dated_runtime():
    date, python, packages = colab_env.runtime()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", date) and re.fullmatch(r"3\.\d+", python)
    assert len(packages) > 500 and {"torch", "numpy", "protobuf"} <= packages.keys()


def test_the_book_adds_to_colab_and_replaces_nothing():
    _, _, packages = colab_env.runtime()
    text = (ROOT / "requirements-colab.txt").read_text()
    added = re.findall(r"^([\w.-]+)==", text, re.M)
    assert added and not {lowered(name) for name in added} & {lowered(name) for name in packages}


def test_what_the_environment_needs_is_in_the_list():
    _, _, packages = colab_env.runtime()
    assert {lowered(name) for name in colab_env.NEEDED} <= {lowered(name) for name in packages}


def test_a_python_is_taken_only_in_the_right_version(monkeypatch):
    own = ".".join(map(str, sys.version_info[:2]))
    monkeypatch.setenv("COLAB_PYTHON", sys.executable)
    assert colab_env.find_python(own) == sys.executable
    assert colab_env.find_python("2.0") is None
    monkeypatch.setenv("COLAB_PYTHON", "/nowhere")
    assert colab_env.find_python(own) is None


def test_versions_are_those_of_that_python():
    import torch

    found = colab_env.versions(sys.executable)
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A pretended environment, and the calls of pip."""
    folder, calls, now = tmp_path / ".cache" / "colab-env", [], {"torch": "2"}
    folder.mkdir(parents=True)
    (folder / "made.json").write_text(json.dumps({"torch": "2"}))

    def pip(python, *arguments):
        calls.append(arguments)
        for name in arguments[3:]:
            del now[name]

    monkeypatch.setattr(colab_env, "versions", lambda python: dict(now))
    monkeypatch.setattr(colab_env, "_pip", pip)
    return tmp_path, calls, now


def test_what_an_earlier_run_added_is_taken_out(made):
    root, calls, now = made
    now |= {"onnx": "1"}
    assert colab_env.make(root)[1] == {"torch": "2"}
    assert calls == [("uninstall", "-q", "-y", "onnx")]


def test_a_changed_environment_is_refused(made):
    root, _, now = made
    now["torch"] = "3"
    with pytest.raises(colab_env.ColabError, match="remove it"):
        colab_env.make(root)


def test_without_such_a_python_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(colab_env, "find_python", lambda version: None)
    with pytest.raises(colab_env.ColabError, match="COLAB_PYTHON"):
        colab_env.make(tmp_path)
