"""Statements of a chapter, so that tests can run what the reader sees."""

import ast
import json
from pathlib import Path


class Chapter:
    """The code cells of a notebook.

    Args:
        name: such as `02_training`.
        known: names that its statements use without defining them.
    """

    def __init__(self, name, **known):
        path = Path(__file__).parents[1] / "notebooks" / f"{name}.ipynb"
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        self.sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        self.known = known

    def statement(self, name):
        """The statement that defines `name`."""
        for source in self.sources:
            for node in ast.parse(source).body:
                defined = [
                    target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)
                ]
                if name in (*defined, getattr(node, "name", None)):
                    return node
        raise LookupError(f"the chapter does not define {name}")

    def run(self, *statements):
        """Execute statements, given as syntax trees or by the names they define; give what they define."""
        nodes = [self.statement(s) if isinstance(s, str) else s for s in statements]
        names = dict(self.known)
        exec(compile(ast.Module(nodes, []), "chapter", "exec"), names)
        return names
