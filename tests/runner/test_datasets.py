"""Names and folders as readers give them."""

import subprocess
import sys

import pytest

from runner.datasets import NAMES, absolute
from utils.data import loading
from utils.evidence.store import ROOT


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder that is beside the program and at home."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


@pytest.mark.parametrize("name", ["my photos", "./my photos", "my photos/", "~/my photos", "../{}/my photos"])
def test_a_folder_becomes_absolute(photos, name):
    assert absolute(name.format(photos.parent.name)) == str(photos)
    assert absolute(str(photos)) == str(photos)


def test_names_stay_even_beside_a_folder_of_that_name(photos):
    (photos.parent / "digits").mkdir()
    assert absolute("digits") == "digits" and absolute("glyphs") == "glyphs"


@pytest.mark.parametrize("name", ["glyfs", "./nowhere", ""])
def test_what_is_neither_is_refused(photos, name):
    with pytest.raises(ValueError, match=rf"no dataset '{name}' and no folder /.*; choose glyphs, digits,"):
        absolute(name)


def test_the_names_are_those_of_the_data():
    assert NAMES == loading.NAMES


def test_a_command_that_has_nothing_to_do_waits_for_no_torch():
    code = "import sys, runner.commands, runner.repeat; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
