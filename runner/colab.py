"""Writes the Colab edition of the chapters: `python -m runner.colab` fills `_build/colab`.

Colab shows MyST as it is typed. So the edition has stored numbers, links and folded answers in place of roles
and directives, measuring cells collapsed, and the outputs of the executed copy where there is one.
"""

import re
import sys
from pathlib import Path

import nbformat
import yaml

from runner.colab_text import Chapter, labels
from runner.colab_works import Works
from runner.copies import NotebookError, chapters, executed, is_current
from utils.evidence.recording import GLUE, stored
from utils.evidence.store import DEFAULT_DATASET, ROOT, replace

SURVIVOR = re.compile(r"\{[\w:.+-]+\}`|^\s*:{3,}|^\s*[`~]{3,}\s*\{", re.MULTILINE)
HEADING = re.compile(r"^#{2,6} +(.+)$", re.MULTILINE)  # of a section
QUIET = """#@title Quiet three warnings that older versions of PyTorch print
import warnings

warnings.filterwarnings("ignore", r"`isinstance\\(treespec", FutureWarning)
warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
warnings.filterwarnings("ignore", "Sparse invariant checks", UserWarning)"""


def configuration(root=ROOT):
    """Read `_config.yml`."""
    return yaml.safe_load((Path(root) / "_config.yml").read_text(encoding="utf-8"))


def release(root=ROOT):
    """Give the repository's address and the tag that the setup cells fetch."""
    repository = configuration(root)["repository"]
    return repository["url"], repository["release"]


def edition(root=ROOT):
    """Give the folder of the edition."""
    return Path(root) / "_build" / "colab"


def convert(name, root=ROOT):
    """Make the Colab edition of one chapter.

    Args:
        name: the notebook's name without suffix.
        root: the book's folder.

    Returns:
        The notebook, of nbformat, valid.

    Raises:
        NotebookError: if a role or a directive has no counterpart here.
    """
    notebook = nbformat.read(Path(root) / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs = _outputs(name, root)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    site = configuration(root)["html"]["baseurl"]
    chapter = Chapter(name, site, stored(name, DEFAULT_DATASET, root=root), Works(root), labels(texts))
    heading, cells = "", [_about(chapter, release(root)[1])]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = chapter.markdown(cell.source)
            _check(name, cell.source)
            heading = (HEADING.findall(cell.source) or [heading])[-1]
        else:
            cell.outputs = outputs.get(cell.source, [])
            _collapse(cell, heading)
        cells.append(cell)
        if "setup" in cell.metadata.get("tags", ()):
            cells.append(nbformat.v4.new_code_cell(QUIET, id="quiet", metadata={"cellView": "form"}))
    notebook.cells = cells
    notebook.metadata["colab"] = {"name": f"{name}.ipynb", "provenance": [], "toc_visible": True}
    nbformat.validate(notebook)
    return notebook


def _about(chapter, tag):
    """The first cell: what this is, and where the page is."""
    text = (
        f"*Lean Models*, {tag}, edition for Colab of [this page]({chapter.page('')}). Numbers in sentences "
        "are the means of stored runs; tables and figures are of this run once you have chosen *Runtime → "
        "Run all*. Folded cells measure and draw: double-click one to see its code."
    )
    return nbformat.v4.new_markdown_cell(text, id="about")


def _check(name, text):
    """Raise where MyST is left outside of code."""
    left = SURVIVOR.search(text)
    if left:
        raise NotebookError(
            f"{name}: {text[left.start() : left.start() + 60]!r} is left in the Colab edition."
        )


def _collapse(cell, heading):
    """Fold a cell that the page folds: Colab shows the title in its first line in place of the code."""
    tags = cell.metadata.get("tags", ())
    if "hide-input" not in tags:
        return
    said = re.match(r"# (.+)", cell.source)
    kind = "Draw" if "figure" in tags else "Measure" if heading else "Prepare"
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    title = said[1] if said else f"{kind}: {plain}".removesuffix(": ")
    cell.source = f"#@title {title}\n{cell.source}"
    cell.metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}  # for Colab, for JupyterLab


def _outputs(name, root):
    """Give the outputs of the executed copy, by the cell's source; empty where none is current."""
    if not is_current(name, DEFAULT_DATASET, root):
        return {}
    copy = nbformat.read(executed(name, DEFAULT_DATASET, root), as_version=4)
    return {
        cell.source: [output for output in cell.outputs if _is_shown(output)]
        for cell in copy.cells
        if cell.cell_type == "code" and "remove-output" not in cell.metadata.get("tags", ())
    }


def _is_shown(output):
    """Say whether a reader sees an output: neither recorded numbers nor progress bars."""
    return output.get("name") != "stderr" and not any(
        kind.startswith(GLUE) for kind in output.get("data", ())
    )


def write(root=ROOT):
    """Write the edition of every chapter, remove what belongs to none; give the chapters without outputs."""
    folder, names, bare = edition(root), chapters(root), []
    for name in names:
        notebook = convert(name, root)
        replace(folder / f"{name}.ipynb", nbformat.writes(notebook) + "\n")
        bare += [] if any(cell.get("outputs") for cell in notebook.cells) else [name]
    for file in folder.glob("*.ipynb"):
        if file.stem not in names:
            file.unlink()
    return bare


def main():
    """Command line; gives the exit status."""
    try:
        bare = write()
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The Colab edition is in {edition()}.")
    if bare:
        print(
            f"Without outputs, as there is no current executed copy: {', '.join(bare)}; `make run` makes it."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
