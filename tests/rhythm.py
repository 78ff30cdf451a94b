"""What STYLE asks of a page's rhythm: each check takes a notebook's cells and lists what breaks it."""

import ast
import re

LONGEST_TEXT = 180  # words without a formula, table, figure or cell
LONGEST_RUN = 2  # code cells without a sentence between
LONGEST_LINE = 79  # characters: a page's column is no wider

FENCE = re.compile(r"^(`{3,}|:{3,})\{(\w+)\}(.*?)^\1 *$", re.M | re.S)
BREAK = re.compile(
    r"^\|.*\|\s*$|^\$\$.*?\$\$ *\.?$|^!\[.*?\]\(.*?\)$", re.M | re.S
)  # tables, formulas, figures
CITED = re.compile(r"\{cite(?::\w+)?\}`[^`]*`")
ROLE = re.compile(r"\{[\w:]+\}`[^`]*`")
OPTION = re.compile(r"^:[\w-]+:.*$", re.M)
SPLIT = "\0"


def source(cell):
    """The text of a cell."""
    return "".join(cell["source"])


def tags(cell):
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


def records_in_the_open(cells):
    """First lines of the cells that record a number and are not folded."""
    found = []
    for cell in cells:
        if cell["cell_type"] == "code" and "hide-input" not in tags(cell) and _calls_record(source(cell)):
            found.append(source(cell).splitlines()[0])
    return found


def _calls_record(code):
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return any(getattr(call.func, "id", "") == "record" for call in calls)


def long_runs(cells):
    """First lines of the code cells that are one too many in a row."""
    found, run = [], 0
    for cell in cells:
        run = run + 1 if cell["cell_type"] == "code" else 0
        if run == LONGEST_RUN + 1:
            found.append(source(cell).splitlines()[0])
    return found


def text_blocks(cells):
    """Stretches of prose with nothing but prose in them, as texts.

    Code cells, tables, formulas on lines of their own and figures end one. A directive (a prediction, an
    exercise, its solution) is a stretch of its own.
    """
    text = "\n\n".join(source(cell) if cell["cell_type"] == "markdown" else SPLIT for cell in cells)
    text = FENCE.sub(lambda found: f"{SPLIT}{OPTION.sub('', found[3])}{SPLIT}", text)
    return [block.strip() for block in BREAK.sub(SPLIT, text).split(SPLIT) if block.strip()]


def words(text):
    """How many words a reader reads: a glued number is one, a citation none."""
    return len(re.findall(r"[^\W_]+(?:[-–'’.,][^\W_]+)*", ROLE.sub("one", CITED.sub("", text))))


def long_texts(cells):
    """How many words, and the first of them, of each text that is too long."""
    counted = [(words(block), block) for block in text_blocks(cells)]
    return [f"{count} words: {block[:60]}" for count, block in counted if count > LONGEST_TEXT]


def open_predictions(cells):
    """What is wrong with the predictions of a page: no question, no answer, or not the directive."""
    found = []
    for cell in cells:
        if cell["cell_type"] != "markdown":
            continue
        found += [f"not the directive: {line[:60]}" for line in re.findall(r"\*\*Predict.*", source(cell))]
        for _, name, body in FENCE.findall(source(cell)):
            if name == "predict":
                found += _faults(OPTION.sub("", body).strip())
    return found


def _faults(body):
    paragraphs = body.split("\n\n")
    answers = [place for place, text in enumerate(paragraphs) if text.startswith("**")]
    if not answers:
        return [f"no answer in bold: {body[:60]}"]
    return [f"no question: {body[:60]}"] if answers[0] == 0 else []


def long_lines(cells):
    """Lines of code that a page's column would cut; the setup cell is folded, and one for all chapters."""
    shown = [cell for cell in cells if cell["cell_type"] == "code" and "setup" not in tags(cell)]
    return [line for cell in shown for line in source(cell).splitlines() if len(line) > LONGEST_LINE]


def without_settings(cell):
    """The text of a cell without the settings that its metadata lists: typed, but no results."""
    text = source(cell)
    for setting in cell["metadata"].get("settings", []):
        text = text.replace(setting, "")
    return text


def idle_settings(cells):
    """Settings that a cell lists and its text does not hold."""
    listed = [(cell, setting) for cell in cells for setting in cell["metadata"].get("settings", [])]
    return [setting for cell, setting in listed if setting not in source(cell)]
