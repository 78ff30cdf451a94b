"""The small language of a claim's margin: recorded names, numbers and `+ - * / ( )`, never `eval`."""

import ast
import operator

OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def parse(text):
    """Parse a margin such as `wide_accuracy - 2 * (narrow_accuracy - 1)`.

    Returns:
        The root node of the expression, for `names` and `evaluate`.

    Raises:
        ValueError: naming the piece that is not allowed.
    """
    try:
        root = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise ValueError(f"{text!r} is not an expression") from None
    for node in ast.walk(root):
        if not _allowed(node):
            piece = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise ValueError(f"{piece!r} is not allowed: use names, numbers and + - * / ( ) alone")
    if not names(root):
        raise ValueError(f"{text!r} uses no recorded name")
    return root


def _allowed(node):
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.BinOp):
        return type(node.op) in OPERATIONS
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub)
    return isinstance(node, ast.Name | ast.Load | ast.USub) or type(node) in OPERATIONS


def names(root):
    """Give the set of recorded names in an expression."""
    return {node.id for node in ast.walk(root) if isinstance(node, ast.Name)}


def evaluate(node, values):
    """Evaluate an expression that `parse` accepted; `values` maps its names to numbers.

    Raises:
        ZeroDivisionError: if it divides by zero.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.UnaryOp):
        return -evaluate(node.operand, values)
    return OPERATIONS[type(node.op)](evaluate(node.left, values), evaluate(node.right, values))
