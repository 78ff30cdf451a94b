"""A book in miniature, with one chapter, for the tests of what runs and checks chapters."""

import nbformat

CHAPTER = "01_stub"
CONFIG = "title: A book\nexecute:\n  execute_notebooks: auto  # runs\n  timeout: 9\n"
PARAMETERS = 'SEED = 0\nDATASET = "glyphs"\nFULL = False'
RECORDS = """
from utils import training
from utils.evidence import record

record("base_accuracy", 80 + SEED)
record("model_bytes", 1234567890)
for width in (0.5, 8):
    record("curve", width * 2, at=width)
"""

EMIT = """
from IPython.display import display

def record(name, value, at=None, tolerance=None, timing=False):
    row = dict(name=name, value=value, at=at, tolerance=tolerance, timing=timing)
    display({"x/y": ""}, raw=True, metadata={"evidence": row})

"""  # what utils.evidence.record emits, without its imports: a kernel a second earlier


def notebook(*sources):
    """Give a notebook of code cells; a pair (source, tag) has a tag."""
    cells = []
    for source in sources:
        text, tag = (source, None) if isinstance(source, str) else source
        cells.append(nbformat.v4.new_code_cell(text.strip(), metadata={"tags": [tag]} if tag else {}))
    return nbformat.v4.new_notebook(cells=cells)


def make(root, *sources):
    """Write a book with one chapter under `root`: the parameters cell and `sources`, or RECORDS."""
    for folder in ("notebooks", "utils", "book/evidence"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    chapter = notebook((PARAMETERS, "parameters"), *(sources or (RECORDS,)))
    nbformat.write(chapter, root / "notebooks" / f"{CHAPTER}.ipynb")
    (root / "utils" / "training.py").write_text("EPOCHS = 6  # as measured\n")
    (root / "utils" / "plotting.py").write_text("WIDTH = 6\n")
    (root / "book" / "claims.toml").write_text("# no claims\n")
    return root


def add_pages(root):
    """Write the configuration, the table of contents and one page of the book under `root`."""
    (root / "_config.yml").write_text(CONFIG)
    (root / "_toc.yml").write_text("root: book/intro\n")
    (root / "book" / "intro.md").write_text("# A book\n")
    return root


def write_evidence(root, rows, *, code="0", timing="[]", tolerances="{}"):
    """Write an evidence file of (dataset, seed, name, at, value), the last three as text or numbers."""
    lines = [f"# hash: {code}", "# torch: 1.0", f"# tolerances: {tolerances}", f"# timing: {timing}"]
    lines += ["dataset,seed,name,at,value", *(",".join(map(str, row)) for row in rows)]
    (root / "book" / "evidence").mkdir(parents=True, exist_ok=True)
    (root / "book" / "evidence" / f"{CHAPTER}.csv").write_text("\n".join(lines) + "\n")
