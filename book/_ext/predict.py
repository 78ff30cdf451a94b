"""The directive `{predict}`: a question for the reader, and its answer, folded until it is asked for.

    :::{predict}
    :kind: number
    :unit: points
    :range: 0 100

    How many of the points are left?

    **{glue:text}`pruned_accuracy:.1f` points are left.** The curve does not bend at once.
    :::

The answer begins with the first paragraph that starts in bold. `kind` (number, choice or order), `unit` and
`range` (lowest and highest number that makes sense) change nothing yet: they stand in the page as `data-…`.
"""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

KINDS = ("number", "choice", "order")


class prediction(nodes.General, nodes.Element):
    """The whole: the paragraphs of the question, then one `prediction_answer`."""


class prediction_answer(nodes.General, nodes.Element):
    """The paragraphs of the answer."""


class Predict(SphinxDirective):
    """Reads a question and its answer; what is wrong with them fails the build."""

    has_content = True
    option_spec = {name: str for name in ("kind", "unit", "range")}

    def run(self):
        """Give the prediction as one node."""
        parsed = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, parsed)
        question, answer = _divided(parsed.children)
        if not question:
            raise self.error("A {predict} has no question: write one before its answer.")
        if not answer:
            raise self.error("A {predict} has no answer: begin its first paragraph in bold, **like this**.")
        whole = prediction("", **self._settings())
        whole += [_with_title(question[0]), *question[1:], prediction_answer("", *answer)]
        self.set_source_info(whole)
        return [whole]

    def _settings(self):
        """Check the options, and give them as attributes of the node."""
        kind = self.options.get("kind", "number")
        if kind not in KINDS:
            raise self.error(f"A {{predict}} has the kind {kind!r}: use one of {', '.join(KINDS)}.")
        found = {"kind": kind, "unit": self.options.get("unit", "")}
        if "range" in self.options:
            text = self.options["range"]
            try:
                low, high = (float(word) for word in text.split())
            except ValueError:
                raise self.error(f"A {{predict}} has the range {text!r}: give two numbers.") from None
            if not low < high:
                raise self.error(f"A {{predict}} has the range {text!r}: give the lower number first.")
            found |= {"low": f"{low:g}", "high": f"{high:g}"}
        return found


def _divided(children):
    """Split nodes before the first paragraph that begins in bold: two lists."""
    for place, child in enumerate(children):
        parts = [part for part in child.children if part.astext()]  # MyST puts an empty text before bold
        if isinstance(child, nodes.paragraph) and parts and isinstance(parts[0], nodes.strong):
            return children[:place], children[place:]
    return children, []


def _with_title(paragraph):
    """Put the word "Predict" in front of the question, for every kind of output."""
    paragraph.insert(0, [nodes.strong("", "Predict:"), nodes.Text(" ")])
    return paragraph


def _open_prediction(writer, node):
    names = [name for name in ("kind", "unit", "low", "high") if node.get(name)]
    data = {f"data-{name}": node[name] for name in names}
    writer.body.append(writer.starttag(node, "div", CLASS="predict", **data))


def _close_prediction(writer, node):
    writer.body.append("</div>\n")


def _open_answer(writer, node):
    writer.body.append('<details class="predict-answer">\n<summary>Show the answer</summary>\n')


def _close_answer(writer, node):
    writer.body.append("</details>\n")


def _nothing(writer, node):
    """In print and plain text, question and answer are paragraphs like all others."""


def setup(app):
    """Register the directive and its two nodes with Sphinx."""
    plain = dict.fromkeys(("latex", "text", "man", "texinfo"), (_nothing, _nothing))
    app.add_node(prediction, html=(_open_prediction, _close_prediction), **plain)
    app.add_node(prediction_answer, html=(_open_answer, _close_answer), **plain)
    app.add_directive("predict", Predict)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
