"""The small language of a claim's margin: names, numbers, `+ - * / ( )` and `log(…)`, never `eval`."""

import ast
import math
import operator

OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def parse(text):
    """Parse a margin such as `wide_accuracy - 2 * (narrow_accuracy - 1)` or `log(speed_up) - log(2)`.

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
            raise ValueError(f"{piece!r} is not allowed: use names, numbers, + - * / ( ) and log( ) alone")
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
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "log" and _has_one_argument(node)
    return isinstance(node, ast.Name | ast.Load | ast.USub) or type(node) in OPERATIONS


def _has_one_argument(call):
    return len(call.args) == 1 and not call.keywords


def names(root):
    """Give the set of recorded names in an expression."""
    functions = [node.func for node in ast.walk(root) if isinstance(node, ast.Call)]
    return {node.id for node in ast.walk(root) if isinstance(node, ast.Name) and node not in functions}


def evaluate(node, values):
    """Evaluate an expression that `parse` accepted; `values` maps its names to numbers.

    Raises:
        ZeroDivisionError: if it divides by zero.
        ValueError: if it takes the logarithm of a number that is not above 0.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.UnaryOp):
        return -evaluate(node.operand, values)
    if isinstance(node, ast.Call):
        number = evaluate(node.args[0], values)
        if not number > 0:
            raise ValueError(f"log({ast.unparse(node.args[0])}) would be that of {number}, not above 0")
        return math.log(number)
    return OPERATIONS[type(node.op)](evaluate(node.left, values), evaluate(node.right, values))
