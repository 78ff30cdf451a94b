"""Options of directives, and folding of what is nested; the pieces are tested in `test_colab_text.py`."""

from types import SimpleNamespace

import pytest

from runner import colab_directives
from runner.copies import NotebookError

CHAPTER = SimpleNamespace(name="01_one", inline=str, markdown=str.upper, labels={})


def test_options_end_at_the_first_other_line():
    found, rest = colab_directives.options(":label: a\n:class: dropdown\n\nText\n:not: one")
    assert found == {"label": "a", "class": "dropdown"}
    assert rest == "Text\n:not: one"


def test_what_is_inside_is_converted_and_a_title_of_a_note_is_its_first_line():
    assert (
        colab_directives.convert(CHAPTER, "note", "first", "second") == "> **Note**\n>\n> FIRST\n>\n> SECOND"
    )
    folded = colab_directives.convert(CHAPTER, "dropdown", "", "x")
    assert folded == "<details>\n<summary>More</summary>\n\nX\n\n</details>"


def test_unknown_ones_are_named():
    with pytest.raises(NotebookError, match="01_one.*{grid}"):
        colab_directives.convert(CHAPTER, "grid", "", "")
