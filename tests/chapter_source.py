"""Statements of a chapter, so that tests can run what the reader sees, and a network to run them on."""

import ast
import json
from pathlib import Path

import torch
from torch import nn

from utils.models import ResNet, seeded


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


def settled_network(draws, width=4):
    """A residual network in eval mode, whose batch norms have numbers from the generator `draws`."""
    built = seeded(lambda: ResNet(width, num_classes=5), 0)
    for norm in (module for module in built.modules() if isinstance(module, nn.BatchNorm2d)):
        for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            values.copy_(torch.rand(len(values), generator=draws) + 0.1)
    return built.eval()
