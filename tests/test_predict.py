"""The directive `{predict}`, on a page of one notebook: Python's own HTML parser reads what Sphinx wrote."""

import io
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

EXTENSIONS = str(Path(__file__).parents[1] / "book" / "_ext")
GLUED = "application/papermill.record/"
SOUND = """\
# Page

:::{predict}
:kind: number
:unit: "%"
:range: 0 100

How many are **left**?

A hint in a second paragraph.

**{glue:text}`score:.1f` % are left.** That is why.

The reason goes on.
:::

Text after it.
"""


class Reader(HTMLParser):
    """Collects the attributes of the prediction, and what stands inside and outside its folded part."""

    def __init__(self, page):
        super().__init__()
        self.attributes, self.inside, self.outside, self.depth = {}, "", "", 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "predict" in (found.get("class") or "").split():
            self.attributes = found
        if tag == "details":
            assert "open" not in found
            self.depth += 1

    def handle_endtag(self, tag):
        self.depth -= tag == "details"

    def handle_data(self, data):
        if self.depth:
            self.inside += data
        else:
            self.outside += data


def build(folder, text, builder="html"):
    """Build a page of `text` and a cell that glued `score`; give the page as text, and Sphinx's warnings."""
    output = nbformat.v4.new_output(
        "display_data",
        data={f"{GLUED}text/plain": "81.26"},
        metadata={"scrapbook": {"name": "score", "mime_prefix": GLUED}},
    )
    cell = nbformat.v4.new_code_cell("pass", execution_count=1, outputs=[output])
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), cell])
    page.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(page, folder / "index.ipynb")
    settings = {
        "extensions": ["myst_nb", "predict"],
        "nb_execution_mode": "off",
        "myst_enable_extensions": ["colon_fence"],
    }
    warnings, out = io.StringIO(), folder / builder
    with docutils_namespace():
        app = Sphinx(folder, None, out, folder / "trees", builder, settings, status=None, warning=warnings)
        app.build()
    name = {"html": "index.html", "text": "index.txt", "latex": "projectnamenotset.tex"}[builder]
    return (out / name).read_text(encoding="utf8"), warnings.getvalue()


@pytest.fixture(autouse=True)
def extension(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, EXTENSIONS])  # as jupyter-book does


def test_the_question_is_seen_and_the_answer_is_folded(tmp_path):
    page, warnings = build(tmp_path, SOUND)
    assert warnings == ""
    found = Reader(page)
    assert "Predict: How many are left?" in found.outside and "A hint" in found.outside
    assert "81.3 % are left." in found.inside and "goes on" in found.inside  # the role is resolved
    assert "How many" not in found.inside and "81.3" not in found.outside and "Text after" in found.outside
    assert '<strong><span class="pasted-text">81.3</span> % are left.</strong>' in page
    assert page.count("<summary>") == 1


def test_the_settings_stand_in_the_page(tmp_path):
    found = Reader(build(tmp_path, SOUND)[0]).attributes
    values = {name: value for name, value in found.items() if name.startswith("data-")}
    assert values == {"data-kind": "number", "data-unit": "%", "data-low": "0", "data-high": "100"}


def test_number_is_the_kind_where_none_is_given(tmp_path):
    found = Reader(build(tmp_path, "# Page\n\n:::{predict}\nHow many?\n\n**Two.**\n:::\n")[0]).attributes
    assert {name: value for name, value in found.items() if name != "class"} == {"data-kind": "number"}


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_print_and_text_show_question_and_answer(tmp_path, builder):
    page, warnings = build(tmp_path, SOUND, builder)
    assert warnings == ""
    assert page.index("How many are") < page.index("81.3") < page.index("goes on") < page.index("Text after")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (":kind: number", ":kind: guess", "kind 'guess': use one of number, choice, order"),
        (":range: 0 100", ":range: 100 0", "range '100 0': give the lower number first"),
        (":range: 0 100", ":range: 5 5", "range '5 5': give the lower number first"),
        (":range: 0 100", ":range: 0", "range '0': give two numbers"),
        (":range: 0 100", ":range: 0 to 100", "range '0 to 100': give two numbers"),
        ("**{glue:text}`score:.1f` % are left.**", "They are left.", "has no answer"),
        ("How many are **left**?\n\nA hint in a second paragraph.\n", "", "has no question"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, fault):
    assert old in SOUND
    assert fault in build(tmp_path, SOUND.replace(old, new))[1]
