"""Compare the pages that were built with the table of contents.

jupyter-book exits 0 when a page of the table of contents did not come out, so `make book` calls this
afterwards: `python book/check_pages.py _toc.yml _build/html`.
"""

import sys
from pathlib import Path

from sphinx_external_toc.parsing import parse_toc_yaml

GENERATED = {"404", "genindex", "index", "search"}  # pages that Sphinx adds by itself
COPIED = ("_static", "_sources")  # folders of files that are no pages
SUFFIXES = (".ipynb", ".md", ".rst")


def expected_pages(toc: Path) -> set[str]:
    """Names of the pages in the table of contents, without suffix.

    Args:
        toc: the file `_toc.yml`.
    """
    names = (str(name) for name in parse_toc_yaml(toc))
    return {next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name) for name in names}


def built_pages(html: Path) -> set[str]:
    """Names of the pages in a folder of built pages, without suffix and without those that Sphinx adds.

    Args:
        html: the folder, `_build/html`.
    """
    pages = (path.relative_to(html) for path in html.rglob("*.html"))
    names = {page.with_suffix("").as_posix() for page in pages if page.parts[0] not in COPIED}
    return names - GENERATED


def problems(toc: Path, html: Path) -> list[str]:
    """One sentence for each page that is missing or too many; empty if the two agree.

    Args:
        toc: the file `_toc.yml`.
        html: the folder of built pages.
    """
    expected, built = expected_pages(toc), built_pages(html)
    found = [f"{toc} lists {page}, but {html}/{page}.html was not built" for page in sorted(expected - built)]
    found += [f"{html}/{page}.html is stale: {toc} does not list it" for page in sorted(built - expected)]
    if not (html / "index.html").is_file():
        found.append(f"{html}/index.html, the first page, was not built")
    return found


def main(arguments: list[str]) -> int:
    """Print the problems; 0 if there are none, 1 if there are, 2 if called wrongly."""
    if len(arguments) != 2:
        print("usage: python book/check_pages.py _toc.yml _build/html", file=sys.stderr)
        return 2
    toc, html = map(Path, arguments)
    found = problems(toc, html)
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    if not found:
        print(f"{len(expected_pages(toc))} pages built, as in {toc}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
