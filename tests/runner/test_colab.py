"""The Colab edition of the real chapters: numbers recomputed with pandas, and nothing of MyST left."""

import csv
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from runner import colab
from runner.copies import chapters, key

ROOT = Path(__file__).parents[2]
NAMES = chapters(ROOT)
NUMBER = re.compile(
    r"([^`{}()<>|\n]{0,25})\{glue:text\}`(\w+)(@[\d.e+-]+)?:([^`]+)`([^`{}()<>|\n:]{0,25})"
)  # with some of the text around it


@pytest.fixture(scope="module")
def made():
    return {name: colab.convert(name, ROOT) for name in NAMES}


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_myst_is_left_and_the_notebook_is_valid(made, name):
    nbformat.validate(json.loads(nbformat.writes(made[name])))
    for text in prose(made[name]):
        assert not re.search(r"\{[\w:]+\}`|:::|```\{|~~~\{|^\([\w-]+\)=$|^\+\+\+", text, re.M), text[:200]


@pytest.mark.parametrize("name", NAMES)
def test_every_number_is_the_mean_of_the_stored_glyphs(made, name):
    """Texts around the roles are the pattern; between them stands what pandas says."""
    lines = (ROOT / "book" / "evidence" / f"{name}.csv").read_text().splitlines()
    rows = pd.DataFrame(csv.DictReader(line for line in lines if not line.startswith("#")))
    rows = rows[rows["dataset"] == "glyphs"].astype({"value": float})
    source = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf8"))
    text = "\n".join("".join(cell["source"]) for cell in source["cells"])
    shown = "\n".join(prose(made[name]))
    found = NUMBER.findall(text)
    assert len(found) == len(re.findall(r"\{glue:text\}`\w+(?:@[\d.e+-]+)?:", text)) > 0
    for before, what, at, form, after in found:
        named = rows[rows["name"] == what]
        places = named["at"].map(lambda place: f"@{float(place)}" if place else "")
        mean = named.loc[places == (f"@{float(at[1:])}" if at else ""), "value"].mean()
        assert f"{before}{mean:{form}}{after}".strip() in shown


def test_links_lead_outside(made):
    for name in NAMES:
        for text in prose(made[name]):
            for token in MarkdownIt("commonmark").enable("table").parse(text):
                for child in token.children or ():
                    if child.type == "link_open":
                        assert child.attrs["href"].startswith("https://"), (name, child.attrs["href"])


@pytest.mark.parametrize("name", NAMES)
def test_code_is_that_of_the_chapter_and_measuring_cells_are_collapsed(made, name):
    source = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    before = [cell for cell in source.cells if cell.cell_type == "code"]
    after = [cell for cell in made[name].cells if cell.cell_type == "code" and cell.id != "quiet"]
    for old, new in zip(before, after, strict=True):
        folded = "hide-input" in old.metadata.get("tags", ())
        assert (new.metadata.get("cellView") == "form") is folded
        assert new.source.startswith("#@title ") is folded
        assert (new.source.split("\n", 1)[1] if folded else new.source) == old.source


def book(folder, text, code="1 + 1"):
    """A book of one chapter."""
    for part in ("notebooks", "book/evidence", "utils"):
        (folder / part).mkdir(parents=True)
    (folder / "_config.yml").write_text(
        "repository: {url: https://x/y, release: v1.0.0}\nhtml: {baseurl: https://site/}\n"
    )
    (folder / "book" / "references.bib").write_text("")
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / "01_one.ipynb")
    return folder


PLAIN = nbformat.v4.new_output("display_data", {"text/plain": "2"})


def execute(root, outputs, tags=()):
    """Put an executed copy of that chapter into its place; give it."""
    copy = nbformat.read(root / "notebooks" / "01_one.ipynb", as_version=4)
    copy.cells[1].outputs = outputs
    copy.cells[1].metadata["tags"] = list(tags)
    target = root / "_build" / "executed" / "glyphs" / "01_one.ipynb"
    target.parent.mkdir(parents=True)
    nbformat.write(copy, target)
    target.with_suffix(".key").write_text(key("01_one", root=root))
    return copy


def test_outputs_that_the_page_removes_stay_out(tmp_path):
    root = book(tmp_path, "# One")
    execute(root, [PLAIN], tags=["remove-output"])
    assert colab.write(root) == ["01_one"]


def test_outputs_come_from_a_current_copy_alone_and_recorded_numbers_stay_out(tmp_path):
    root = book(tmp_path, "# One")
    assert colab.write(root) == ["01_one"]
    glued = nbformat.v4.new_output("display_data", {"application/papermill.record/text/plain": "2"})
    bar = nbformat.v4.new_output("stream", name="stderr", text="50 %")
    copy = execute(root, [PLAIN, glued, bar])
    assert colab.write(root) == []
    (root / "_build" / "colab" / "00_gone.ipynb").touch()
    colab.write(root)
    made = nbformat.read(root / "_build" / "colab" / "01_one.ipynb", as_version=4)
    assert made.cells[-1].outputs == [PLAIN]
    assert not (root / "_build" / "colab" / "00_gone.ipynb").exists()
    (root / "notebooks" / "01_one.ipynb").write_text(nbformat.writes(copy) + " ")
    assert colab.write(root) == ["01_one"]


def test_what_has_no_counterpart_is_refused(tmp_path):
    with pytest.raises(colab.NotebookError, match="{kbd}"):
        colab.convert("01_one", book(tmp_path, "Press {kbd}`x`."))
