"""The directives of the chapters as Markdown: block quotes, and `<details>` for what the page folds."""

import re

from markdown_it import MarkdownIt

from runner.copies import NotebookError

ADMONITIONS = ("note", "tip", "hint", "important", "warning", "caution", "attention", "danger", "seealso")
OPTION = re.compile(r":([\w-]+):\s*(.*)")


def options(content):
    """Divide a directive's content: the options at its head as a dictionary, and the rest."""
    lines, found = content.split("\n"), {}
    while lines and (option := OPTION.fullmatch(lines[0].strip())):
        found[option[1]] = option[2]
        lines.pop(0)
    return found, "\n".join(lines).strip("\n")


def convert(chapter, name, title, content):
    """Give the Markdown in place of a directive.

    Args:
        chapter: `runner.colab_text.Chapter`, which converts what is inside.
        name: of the directive, without braces.
        title: the rest of its first line.
        content: its lines, with options.

    Raises:
        NotebookError: if the directive has no counterpart here; give it one.
    """
    given, body = options(content)
    if name in (*ADMONITIONS, "admonition"):
        own = name == "admonition"
        heading = chapter.inline(title) if own else name.replace("seealso", "see also").capitalize()
        inside = chapter.markdown(body if own or not title else f"{title}\n\n{body}")
        return _quoted(f"**{heading}**\n\n{inside}".rstrip())
    if name == "dropdown":
        return _folded(title or "More", chapter.markdown(body))
    if name == "exercise":
        return f"**Exercise: {chapter.inline(title)}**\n\n{chapter.markdown(body)}"
    if name == "solution":
        return _folded(f"Solution: {chapter.labels.get(title, title)}", chapter.markdown(body))
    if name == "predict":
        question, answer = _divided(body)
        asked = _quoted(f"**Predict:** {chapter.markdown(question)}")
        return f"{asked}\n\n{_folded('Show the answer', chapter.markdown(answer))}"
    if name == "bibliography":
        return chapter.works.listed()
    if name == "math":
        return f"$$\n{body}\n$$"
    raise NotebookError(f"{chapter.name}: the Colab edition has nothing for the directive {{{name}}}.")


def _quoted(text):
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _folded(summary, text):
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>"


def _divided(body):
    """Split a prediction before the first paragraph that begins in bold, as `book/_ext/predict.py` does."""
    tokens, lines = MarkdownIt("commonmark").parse(body), body.split("\n")
    for opened, inline in zip(tokens, tokens[1:], strict=False):
        if opened.type == "paragraph_open" and opened.level == 0 and _begins_bold(inline):
            start = opened.map[0]
            return "\n".join(lines[:start]).strip(), "\n".join(lines[start:]).strip()
    raise NotebookError(f"a prediction has no answer that begins in bold: {body[:60]!r}")


def _begins_bold(inline):
    parts = [part for part in inline.children if part.type != "text" or part.content]
    return bool(parts) and parts[0].type == "strong_open"
