"""The hash that ties a chapter's evidence to the code that measured it.

It covers the syntax trees of the chapter's code and of the modules of `utils` behind its numbers, and torch's
version. Comments, formatting, docstrings and figures do not change it.
"""

import ast
import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path

from utils.evidence_file import ROOT, EvidenceError, read

MEASURING = ("data", "glyphs", "models", "training", "evaluation", "cost")
PRESENTING = ("claims", "evidence", "evidence_file", "plotting")  # they show numbers, or carry them
SHOWN_ONLY = {"setup", "parameters", "figure"}
DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def torch_version():
    """Give torch's version without its build, such as `2.14.1` for `2.14.1+cpu`."""
    return version("torch").split("+")[0]


def notebook_path(chapter, root=ROOT):
    """Give the path of a chapter's notebook."""
    return Path(root) / "notebooks" / f"{chapter}.ipynb"


def cells(chapter, root=ROOT):
    """Give the code cells of a chapter as dictionaries in the notebook format.

    Raises:
        EvidenceError: if there is no such notebook.
    """
    file = notebook_path(chapter, root)
    if not file.exists():
        known = ", ".join(sorted(p.stem for p in file.parent.glob("*.ipynb"))) or "none"
        raise EvidenceError(f"There is no {file}; the chapters there: {known}.")
    notebook = json.loads(file.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tags(cell):
    """Give the set of a cell's tags."""
    return set(cell["metadata"].get("tags", ()))


def parse(source):
    """Parse the code of a cell; IPython's magics and shell lines are left out."""
    source = "".join(source)
    try:
        return ast.parse(source)
    except SyntaxError:
        source = re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)
        return ast.parse(re.sub(r"^([ \t]+)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def _tree(node):
    """Give a syntax tree as nested lists, the same in every Python (`ast.dump` is not)."""
    if isinstance(node, list):
        return [_tree(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
        fields["body"] = fields["body"][1:]
    kept = {name: _tree(value) for name, value in fields.items() if value is not None and value != []}
    return [type(node).__name__, kept]


def _imported(tree):
    """Give the modules of `utils` that a syntax tree imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            local = node.module == "utils" or (node.level == 1 and not node.module)
            inside = f"utils.{node.module}" if node.level == 1 else node.module or ""
            names = [f"utils.{alias.name}" for alias in node.names] if local else [inside]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("utils.")}
    return found


def _modules(statements, root):
    """Give the modules of `utils` behind a chapter's statements, imports followed: name to syntax tree."""
    waiting = set(MEASURING).union(*(_imported(statement) for statement in statements))
    found = {}
    while waiting := {name for name in waiting if name not in found and name not in PRESENTING}:
        name = min(waiting)
        file = Path(root) / "utils" / f"{name}.py"
        found[name] = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else None
        waiting |= _imported(found[name]) if found[name] else set()
    return found


def fingerprint(chapter, root=ROOT):
    """Hash the code behind a chapter's numbers, and torch's version.

    Args:
        chapter: the notebook's name without suffix, such as `01_background`.
        root: the folder that holds `notebooks/` and `utils/`.

    Returns:
        16 hexadecimal digits.

    Raises:
        EvidenceError: if there is no such notebook.
    """
    measuring = [cell for cell in cells(chapter, root) if not tags(cell) & SHOWN_ONLY]
    statements = [statement for cell in measuring for statement in parse(cell["source"]).body]
    content = {
        "chapter": _tree(statements),  # statements, not cells: where a cell ends changes no number
        "modules": {name: _tree(tree) for name, tree in _modules(statements, root).items()},
        "torch": torch_version(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def matches(chapter, root=ROOT):
    """Say whether a chapter's evidence was measured by the code that stands there now."""
    return read(chapter, root).hash == fingerprint(chapter, root)
