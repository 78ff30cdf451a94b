"""MyST as Markdown, piece by piece; what is expected is written out."""

from types import SimpleNamespace

import pandas as pd
import pytest

from runner.colab_text import Chapter, NotebookError, labels
from utils.evidence.recording import Stored


@pytest.fixture
def chapter():
    rows = [("a", 0, "x", float("nan"), 1.0), ("a", 1, "x", float("nan"), 2.0)]
    rows += [("a", 0, "x", 0.5, 1200.0), ("a", 1, "x", 0.5, 1300.0)]
    table = pd.DataFrame(rows, columns=["dataset", "seed", "name", "at", "value"])
    works = SimpleNamespace(
        cite=lambda keys, textual: f"<{keys}{'!' if textual else ''}>", listed=lambda: "- all"
    )
    return Chapter("01_one", "https://site/", Stored("01_one", "a", False, table), works, {"own": "Your own"})


@pytest.mark.parametrize(
    ("myst", "markdown"),
    [
        ("{glue:text}`x:.1f`, {glue:text}`x@0.5:,.0f`", "1.5, 1,250"),
        ("{glue:text}`x.std@0.5:.1f`", "70.7"),
        ("{glue:text}`x.geometric:.3f`, {glue:text}`x.geometric@0.5:,.0f`", "1.414, 1,249"),
        (
            "{glue:text}`x.low:.2f` to {glue:text}`x.high:.2f`",
            "-4.85 to 7.85",
        ),  # 1.5 -+ 12.706 * 0.7071 / sqrt(2)
        ("from {glue:text}`stored.dataset`", "from a"),
        ("{cite}`a,b` and {cite:t}`c`", "<a,b> and <c!>"),
        ("{term}`pruned <Batch norm>`", "[pruned](https://site/book/glossary.html#term-batch-norm)"),
        ("{term}`MAC`", "[MAC](https://site/book/glossary.html#term-mac)"),
        ("{doc}`the next <02_two>`", "[the next](https://site/notebooks/02_two.html)"),
        ("{ref}`own`", "[Your own](https://site/notebooks/01_one.html#own)"),
        (
            "[a](../book/faq.md#b), [c](02_two.ipynb)",
            "[a](https://site/book/faq.html#b), [c](https://site/notebooks/02_two.html)",
        ),
        ("[a](https://x.y), [b](mailto:z)", "[a](https://x.y), [b](mailto:z)"),
        ("``{cite}`a` `` and `[a](b)`", "``{cite}`a` `` and `[a](b)`"),
        ("```python\n{cite}`a` [a](b)\n```", "```python\n{cite}`a` [a](b)\n```"),
        ("$$x = 1$$ (eq)\n\nso", "$$x = 1$$\n\nso"),
        ("(target)=\n# A\n\n% a remark\nb", "# A\n\nb"),
        ("```{bibliography}\n:filter: docname in docnames\n```", "- all"),
        (":::{note}\nOne {cite}`a`.\n\nTwo.\n:::", "> **Note**\n>\n> One <a>.\n>\n> Two."),
        (":::{admonition} A title\n:class: tip\nOne.\n:::", "> **A title**\n>\n> One."),
        ("- one\n\n  ```{note}\n  two\n  ```", "- one\n\n  > **Note**\n  >\n  > two"),
        (
            "```{solution} own\n:class: dropdown\nIt.\n```",
            "<details>\n<summary>Solution: Your own</summary>\n\nIt.\n\n</details>",
        ),
        ("```{exercise} Your own\n:label: own\nDo.\n```", "**Exercise: Your own**\n\nDo."),
    ],
)
def test_each_piece(chapter, myst, markdown):
    assert chapter.markdown(myst) == markdown


def test_a_prediction_is_a_question_and_a_folded_answer(chapter):
    asked = ":::{predict}\n:kind: number\n:range: 0 1\n\nHow **many**?\n\n"
    text = f"{asked}**{{glue:text}}`x:.1f`.** So.\n:::\nAfter."
    assert chapter.markdown(text) == (
        "> **Predict:** How **many**?\n\n<details>\n<summary>Show the answer</summary>\n\n"
        "**1.5.** So.\n\n</details>\nAfter."
    )


@pytest.mark.parametrize("text", ["{kbd}`x`", ":::{grid}\nx\n:::", ":::{predict}\nonly a question\n:::"])
def test_what_it_does_not_know_is_an_error(chapter, text):
    with pytest.raises(NotebookError):
        chapter.markdown(text)


def test_labels_of_exercises():
    assert labels(["a\n\n```{exercise} By hand\n:label: hand\nDo.\n```", "```python\nx\n```"]) == {
        "hand": "By hand"
    }
