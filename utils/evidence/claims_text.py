"""Rewrites the verdicts in the text of `book/claims.toml` and leaves every other line as it is."""

import re
import tomllib

CLAIM = re.compile(r"\s*\[\[\s*claim\s*\]\]")
VERDICT = re.compile(r"\s*\[\s*claim\s*\.\s*verdict\s*\]")
INLINE = re.compile(r"\s*verdict\s*(=|\.)")
PAIR = re.compile(r"\s*[^#\s]")  # all but comments and blank lines: in a table of verdicts, a pair


def with_verdicts(text, verdicts):
    """Put verdicts into the text of the claims file.

    Args:
        text: TOML with `[[claim]]` tables.
        verdicts: for each claim, in the order of the text, a dictionary of dataset to verdict.

    Returns:
        The text with a `[claim.verdict]` table in each claim.

    Raises:
        ValueError: if the text is laid out so that rewriting it line by line would change anything else.
    """
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if CLAIM.match(line)] + [len(lines)]
    blocks = [lines[a:b] for a, b in zip(starts, starts[1:], strict=False)]
    rewritten = lines[: starts[0]]
    for block, verdict in zip(blocks, verdicts, strict=False):
        rewritten += _rewrite(block, verdict)
    result = "\n".join(rewritten) + "\n"
    before, after = tomllib.loads(text), tomllib.loads(result)
    expected = [
        {**claim, "verdict": dict(v)} for claim, v in zip(before.get("claim", []), verdicts, strict=True)
    ]
    if after.get("claim", []) != expected or len(blocks) != len(expected):
        raise ValueError(
            "the verdicts cannot be placed; write each claim as a [[claim]] table, a field to a line"
        )
    return result


def _rewrite(block, verdict):
    """Give the lines of one claim with its verdicts replaced; a comment inside stays where it was."""
    kept, pairs = [], [f"{_key(dataset)} = {_quoted(word)}" for dataset, word in verdict.items()]
    inside, placed = False, False
    for line in block:
        if re.match(r"\s*\[", line):
            inside = bool(VERDICT.match(line))
            kept += [line, *pairs] if inside else [line]
            placed = placed or inside
        elif not (inside and PAIR.match(line)) and not INLINE.match(line):
            kept.append(line)
    if placed:
        return kept
    end = max(i for i, line in enumerate(kept) if line.strip() and not line.startswith("#")) + 1
    return [*kept[:end], "[claim.verdict]", *pairs, *kept[end:]]


def _key(dataset):
    return dataset if re.fullmatch(r"[\w-]+", dataset, re.ASCII) else _quoted(dataset)


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
