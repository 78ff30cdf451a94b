"""The built pages, and what has to make the build fail: each fault is provoked in a small book of its own."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import nbformat
import pytest
import yaml

from book import check_pages

ROOT = Path(__file__).parents[1]
STRICT = ["-W", "-n", "--keep-going", "--all"]  # as in the Makefile; see test_makefile_builds_strictly
SOUND = """\
See {ref}`second`, {term}`mask`, {cite:t}`known2020` and {glue:text}`score:.1f`.

:::{predict}
How many?

**{glue:text}`score:.0f`.**
:::
"""
RECORD = """\
from IPython.display import display
display({"application/papermill.record/text/plain": "81.26"}, raw=True,
        metadata={"scrapbook": {"name": "score", "mime_prefix": "application/papermill.record/"}})
"""
SECOND = """\
(second)=
# Second

:::{glossary}
mask
  Ones and zeros.
:::

```{bibliography}
```
"""
# What is changed in a sound book, and what the build has to say about it.
FAULTS = {
    "cell that raises": (("display({", "raise ValueError('on purpose')\ndisplay({"), "on purpose"),
    "cross-reference": (("{ref}`second`", "{ref}`no-such-label`"), "no-such-label"),
    "citation": (("{cite:t}`known2020`", "{cite:t}`nobody1900`"), "nobody1900"),
    "glue key": (("{glue:text}`score:.1f`", "{glue:text}`no_such_name:.1f`"), "no_such_name"),
    "prediction without an answer": (("**{glue:text}`score:.0f`.**", "Nobody knows."), "has no answer"),
    "page of the table of contents": (("file: second", "file: no-such-file"), "no-such-file"),
}
NEEDS_KERNEL = {"none", "cell that raises"}  # the others are built from an executed copy, as `make book` does


def write_book(folder: Path, replace: tuple[str, str] = ("", ""), *, execute: bool) -> None:
    """Write a book of two pages that uses this book's configuration; `replace` is (old, new) in its text."""

    def changed(text: str) -> str:
        return text.replace(*replace) if replace[0] else text

    for name in ("_static", "_ext"):
        copytree(ROOT / "book" / name, folder / "book" / name)
    config = (ROOT / "_config.yml").read_text(encoding="utf8")
    if not execute:
        config = config.replace("execute_notebooks: auto", 'execute_notebooks: "off"')
    files = {
        "_config.yml": config,
        "_toc.yml": changed("format: jb-book\nroot: first\nchapters:\n  - file: second\n"),
        "second.md": SECOND,
        "book/references.bib": "@misc{known2020, author = {Known, A.}, title = {A title}, year = {2020}}\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf8")
    cell = nbformat.v4.new_code_cell(changed(RECORD), execution_count=None if execute else 1)
    if not execute:
        data = {"application/papermill.record/text/plain": "81.26"}
        glue = {"scrapbook": {"name": "score", "mime_prefix": "application/papermill.record/"}}
        cell.outputs = [nbformat.v4.new_output("display_data", data=data, metadata=glue)]
    prose = nbformat.v4.new_markdown_cell("# First\n\n" + changed(SOUND))
    page = nbformat.v4.new_notebook(cells=[prose, cell])
    page.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(page, folder / "first.ipynb")


def build(folder: Path) -> subprocess.CompletedProcess:
    """Run jupyter-book on `folder`, strictly, in a process of its own."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(folder)]
    env = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": ""}
    return subprocess.run([*command, *STRICT], capture_output=True, text=True, env=env, timeout=120)


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """For a sound book ("none"), the same from an executed copy, and each fault: its folder and its build."""
    books = {"none": ("", ""), "none, executed copy": ("", "")}
    books |= {fault: replace for fault, (replace, _) in FAULTS.items()}
    folders = {name: tmp_path_factory.mktemp("book") for name in books}
    for name, replace in books.items():
        write_book(folders[name], replace, execute=name in NEEDS_KERNEL)
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(folders, pool.map(build, folders.values()), strict=True))
    return {name: (folders[name], done[name]) for name in books}


@pytest.mark.parametrize("name", ["none", "none, executed copy"])
def test_sound_book_builds(builds, name):
    folder, result = builds[name]
    assert result.returncode == 0, result.stdout + result.stderr
    page = (folder / "_build/html/first.html").read_text(encoding="utf8")
    assert '<span class="pasted-text">81.3</span>' in page
    assert '<strong><span class="pasted-text">81</span>.</strong>' in page.partition("<details")[2]
    assert "/blob/colab/first.ipynb" in page  # the edition made for Colab
    assert check_pages.problems(folder / "_toc.yml", folder / "_build/html") == []
    for extra in ("index.html", "404.html", "sitemap.xml", "search.html"):
        assert (folder / "_build/html" / extra).is_file(), extra


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_fails_the_build(builds, fault):
    _, result = builds[fault]
    assert result.returncode != 0
    assert FAULTS[fault][1] in result.stdout + result.stderr


def test_page_missing_from_the_output_is_named(tmp_path, capsys):
    toc, html = tmp_path / "_toc.yml", tmp_path / "html"
    toc.write_text("format: jb-book\nroot: book/a\nchapters:\n  - file: notebooks/01_a.ipynb\n  - file: b\n")
    for page in ("index", "search", "404", "book/a", "notebooks/01_a", "b", "_static/webpack-macros"):
        (html / page).parent.mkdir(parents=True, exist_ok=True)
        (html / f"{page}.html").touch()
    assert check_pages.main([str(toc), str(html)]) == 0
    (html / "notebooks/01_a.html").rename(html / "notebooks/00_old.html")
    assert check_pages.main([str(toc), str(html)]) == 1
    missing, stale = capsys.readouterr().err.splitlines()
    assert "notebooks/01_a" in missing and "not built" in missing
    assert "notebooks/00_old" in stale and "does not list" in stale
    assert check_pages.main([str(toc)]) == 2


def test_built_pages_are_those_of_the_table_of_contents():
    html = ROOT / "_build" / "html"
    search = html / "searchindex.js"  # Sphinx writes it last
    if not search.is_file():
        pytest.skip("no finished build under _build/html; `make book` makes one")
    if search.stat().st_mtime < (ROOT / "_toc.yml").stat().st_mtime:
        pytest.skip("_build/html is older than _toc.yml; `make book` renews it")
    entries = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
    files = [entries["root"], *(chapter["file"] for part in entries["parts"] for chapter in part["chapters"])]
    for file in files:  # read without check_pages, which is compared here as well
        assert (html / f"{file}.html").is_file(), file
    assert check_pages.problems(ROOT / "_toc.yml", html) == []


def test_makefile_builds_strictly():
    makefile = ROOT / "Makefile"
    if not makefile.is_file():
        pytest.skip("there is no Makefile yet")
    text = makefile.read_text(encoding="utf8").replace("\\\n", " ")
    commands = re.findall(r"jupyter-book build.*", text)
    assert commands, "the Makefile does not call `jupyter-book build`"
    for command in commands:
        assert set(STRICT) <= set(command.split()), command
    assert "book/check_pages.py" in text
