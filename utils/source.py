"""What Python code says, whatever its comments, layout and docstrings: for keys that change with it."""

import ast
import hashlib
import json
from pathlib import Path

DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def syntax_tree(node):
    """Give a syntax tree as nested lists without docstrings, the same in every Python (`ast.dump` is not).

    Args:
        node: a tree, a list of trees, or a leaf of one.
    """
    if isinstance(node, list):
        return [syntax_tree(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
        fields["body"] = fields["body"][1:]
    kept = {name: syntax_tree(value) for name, value in fields.items() if value is not None and value != []}
    return [type(node).__name__, kept]


def code_digest(*files):
    """Hash the code of Python files; comments, layout and docstrings do not count.

    Args:
        files: paths.

    Returns:
        16 hexadecimal digits, the same on every machine and in every Python.
    """
    trees = [syntax_tree(ast.parse(Path(file).read_text(encoding="utf-8"))) for file in files]
    return digest(trees)


def digest(*parts):
    """Hash texts, numbers and nested lists of them; gives 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
