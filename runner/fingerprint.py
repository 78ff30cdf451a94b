"""The hash that ties a chapter's evidence to the code that measured it.

It covers the syntax trees of the chapter's code and of all modules of `utils` that it imports, directly or
through others, and torch's version. Comments, formatting, docstrings and figures do not change it.
"""

import ast
import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path

from utils.evidence.store import ROOT, EvidenceError, read
from utils.source import syntax_tree

PRESENTING = ("evidence", "plotting")  # they show numbers, or carry them
SHOWN_ONLY = {"setup", "parameters", "figure"}


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


def _imported(tree, root):
    """Give the modules of `utils` that a syntax tree imports, such as `training/loop`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "utils":
            found |= {_module(f"{node.module}.{alias.name}", root) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {_module(name.name, root) for name in node.names if name.name.startswith("utils.")}
    return found


def _module(name, root):
    """Give the file behind a dotted name in `utils`, without its suffix.

    That is a module, or the one that holds the name; a name that a room exports is looked up in its
    `__init__.py`, so that the other modules of the room do not count.
    """
    path = name.removeprefix("utils.").replace(".", "/")
    if (Path(root) / "utils" / f"{path}.py").exists():
        return path
    holder, _, exported = path.rpartition("/")
    door = Path(root) / "utils" / holder / "__init__.py"
    if (Path(root) / "utils" / f"{holder}.py").exists() or not door.exists():
        return holder
    for node in ast.parse(door.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and exported in (alias.name for alias in node.names):
            return _module(f"{node.module}.{exported}", root)
    raise EvidenceError(f"utils/{holder} exports no {exported}; import it from where it stands.")


def _modules(statements, root):
    """Give the modules of `utils` behind a chapter's statements, imports followed: name to syntax tree."""
    waiting = set().union(*(_imported(statement, root) for statement in statements))
    found = {}
    while waiting := {name for name in waiting if name not in found and name.split("/")[0] not in PRESENTING}:
        name = min(waiting)
        file = Path(root) / "utils" / f"{name}.py"
        found[name] = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else None
        waiting |= _imported(found[name], root) if found[name] else set()
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
        "chapter": syntax_tree(statements),  # statements, not cells: where a cell ends changes no number
        "modules": {name: syntax_tree(tree) for name, tree in _modules(statements, root).items()},
        "torch": torch_version(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def matches(chapter, root=ROOT):
    """Say whether a chapter's evidence was measured by the code that stands there now."""
    return read(chapter, root).hash == fingerprint(chapter, root)
