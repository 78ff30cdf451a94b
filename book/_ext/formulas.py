"""Formulas as MathML, converted while the pages are built: they need no script, no network and no tab stop.

The browser draws them. Few computers have a font for mathematics; the pages bring the glyphs that they use.
"""

import re
from html import unescape
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from trimming import smaller_font

logger = logging.getLogger(__name__)
COMMAND = re.compile(r"\\[A-Za-z]+")
FONT = Path(find_spec("ziamath").origin).parent / "fonts" / "STIXTwoMath-Regular.ttf"  # found, not imported
FORMULA = re.compile(r"<math.*?</math>", re.DOTALL)
# Drawn though not in the text: the italics of letters (h is Planck's constant), and the root's sign.
DRAWN = {*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C), 0x210E, 0x221A}


def mathml(tex: str, *, display: bool) -> str:
    """Convert a formula.

    Args:
        tex: LaTeX, without dollar signs.
        display: on lines of its own, instead of within a sentence.

    Returns:
        The element `math`.

    Raises:
        ValueError: if the converter does not know the formula, or a command in it.
    """
    if display and r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{align*}}{tex}\end{{align*}}"
    plain = re.sub(r"\\.", "", tex)  # without commands' backslashes, and what they escape
    try:
        if plain.count("{") != plain.count("}"):
            raise ValueError("not as many braces close as open")
        found = convert(tex, display="block" if display else "inline")
    except Exception as error:  # the converter has a dozen errors of its own, and raises Python's too
        raise ValueError(
            f"The formula {tex!r} cannot be converted ({error!r}); write it differently."
        ) from error
    unknown = COMMAND.search(found)
    if unknown:
        raise ValueError(f"The formula {tex!r} has the unknown command {unknown[0]}; write it differently.")
    return found


def _append(translator, node, *, display):
    """Write the formula, or a warning, which fails a strict build, and the source."""
    try:
        translator.body.append(mathml(node.astext(), display=display))
    except ValueError as error:
        logger.warning(str(error), location=node)
        translator.body.append(translator.encode(node.astext()))


def visit_inline(translator, node):
    """Write a formula within a sentence."""
    _append(translator, node, display=False)
    raise nodes.SkipNode


def visit_display(translator, node):
    """Write a formula on lines of its own, with its number if it has one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})</span>')
    _append(translator, node, display=True)
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def add_font(app, error):
    """Write STIX Two Math, with the glyphs of all formulas, to `_static/math.woff`; custom.css names it."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    text = "".join(page.read_text(encoding="utf-8") for page in out.rglob("*.html"))
    used = {ord(letter) for letter in unescape("".join(FORMULA.findall(text)))}
    smaller_font(FONT, used | DRAWN, out / "_static" / "math.woff")


def setup(app):
    """Register the renderer; `html_math_renderer: mathml` in the configuration chooses it."""
    app.connect("build-finished", add_font)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
