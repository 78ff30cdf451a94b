"""Turns the MyST of a chapter's text cells into the Markdown that Colab shows, block by block.

markdown-it finds the blocks: fences are directives or code, and code stays. Roles stand in code spans, which
`SPAN` finds as CommonMark does: a run of backticks, up to the next run of the same length.
"""

import re
from dataclasses import dataclass
from posixpath import normpath
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin

from runner import colab_directives
from runner.colab_works import Works
from runner.copies import NotebookError
from utils.evidence.recording import Stored, geometric

SPAN = re.compile(r"(\{[\w:.+-]+\})?(?<!`)(`+)(?!`)(.+?)(?<!`)\2(?!`)", re.DOTALL)
TITLED = re.compile(r"(.*?)\s*<([^<>]+)>", re.DOTALL)
LINK = re.compile(r"(?<=\])\(([^()\s]+)\)")
FENCE = re.compile(r"\{([\w:-]+)\}\s*(.*)")
LITERAL = {"code_block", "math_block", "math_block_label", "html_block"}
PARSER = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(colon_fence_plugin)
    .use(dollarmath_plugin)
    .use(myst_block_plugin)
)


@dataclass
class Chapter:
    """What a chapter's text refers to: its stored numbers, the works, the site, and titles of its labels."""

    name: str
    site: str
    evidence: Stored
    works: Works
    labels: dict[str, str]

    def number(self, text):
        """Give a stored number as the page shows it, from `NAME[.FIELD][@AT][:FORMAT]`."""
        key, _, form = text.partition(":")
        if key == "stored.dataset":
            return self.evidence.dataset
        whole, _, at = key.partition("@")
        name, _, field = whole.partition(".")
        at = float(at) if at else None
        if field == "geometric":
            return format(geometric(self.evidence.values(name, at)).mean, form)
        return format(getattr(self.evidence.interval(name, at), field or "mean"), form)

    def page(self, target):
        """Give the address on the site of a page that a chapter links to, seen from `notebooks/`."""
        path, _, anchor = target.partition("#")
        path = normpath(f"notebooks/{path}") if path else f"notebooks/{self.name}"
        path = re.sub(r"\.(ipynb|md)$", "", path)
        return f"{self.site}{path}.html" + (f"#{anchor}" if anchor else "")

    def role(self, name, text):
        """Give the Markdown in place of a role.

        Raises:
            NotebookError: if the role has no counterpart here; give it one.
        """
        shown, target = TITLED.fullmatch(text).groups() if TITLED.fullmatch(text) else (text, text)
        if name == "glue:text":
            return self.number(text)
        if name in ("cite", "cite:p", "cite:t"):
            return self.works.cite(text, textual=name == "cite:t")
        if name == "term":
            slug = re.sub(r"\W+", "-", target.lower())
            return f"[{shown}]({self.site}book/glossary.html#term-{slug})"
        if name == "doc":
            return f"[{shown}]({self.page(target)})"
        if name in ("ref", "numref", "prf:ref"):
            shown = shown if shown != target else self.labels.get(target, target)
            return f"[{shown}]({self.page('')}#{target})"
        if name == "math":
            return f"${text}$"
        raise NotebookError(f"{self.name}: the Colab edition has nothing for the role {{{name}}}.")

    def inline(self, text):
        """Convert roles and links in text that holds no fence; code spans stay."""
        made, end = [], 0
        for span in SPAN.finditer(text):
            made += [self._linked(text[end : span.start()])]
            name, _, content = span.groups()
            made += [self.role(name[1:-1], content.replace("\n", " ")) if name else span[0]]
            end = span.end()
        return "".join([*made, self._linked(text[end:])])

    def _linked(self, text):
        def absolute(link):
            outside = urlsplit(link[1]).scheme
            return link[0] if outside else f"({self.page(link[1])})"

        return LINK.sub(absolute, text)

    def markdown(self, text):
        """Convert a text cell, or the content of a directive."""
        lines, made, done = text.split("\n"), [], 0
        for token in blocks(text):
            start, end = token.map
            if start < done:
                continue  # inside one that is converted already
            made += [self.inline("\n".join(lines[done:start]))] if start > done else []
            made += self._block(token, lines[start:end])
            done = end
        made += [self.inline("\n".join(lines[done:]))] if done < len(lines) else []
        return "\n".join(made)

    def _block(self, token, lines):
        """Convert one literal block: a directive, a label or comment of MyST, or code, which stays."""
        if token.type in ("myst_target", "myst_line_comment", "myst_block_break"):
            return []
        named = FENCE.fullmatch(token.info.strip()) if "fence" in token.type else None
        if named is None:
            if token.type == "math_block_label":
                return [re.sub(r"\$\$\s*\([\w:-]+\)\s*$", "$$", "\n".join(lines))]
            return ["\n".join(lines)]
        indent = re.match(r"\s*", lines[0])[0]
        made = colab_directives.convert(self, named[1], named[2].strip(), token.content.rstrip("\n"))
        return [f"{indent}{line}".rstrip() for line in made.split("\n")]


def blocks(text):
    """List the tokens of blocks that are not plain text, in order of their lines."""
    special = {"fence", "colon_fence", "myst_target", "myst_line_comment", "myst_block_break"} | LITERAL
    return sorted((token for token in PARSER.parse(text) if token.type in special), key=lambda t: t.map[0])


def labels(texts):
    """Collect the titles of labelled exercises: label to title."""
    found = {}
    for token in (token for text in texts for token in blocks(text)):
        named = FENCE.fullmatch(token.info.strip())
        if named:
            options, _ = colab_directives.options(token.content)
            found |= {options["label"]: named[2].strip()} if "label" in options else {}
    return found
