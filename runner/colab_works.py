"""The works of `book/references.bib` as Colab can show them: links by author and year, and a list."""

from pathlib import Path
from urllib.parse import quote

from pybtex.database import parse_file
from pybtex.richtext import Text

from utils.evidence.store import ROOT

WHERE = ("journal", "booktitle", "publisher", "school", "institution", "howpublished")


class Works:
    """Reads the references once; remembers which were cited, for the list at the end of a chapter."""

    def __init__(self, root=ROOT):
        """Read `book/references.bib` below `root`."""
        self.entries = parse_file(Path(root) / "book" / "references.bib").entries
        self.cited = {}

    def cite(self, keys, textual=False):
        """Give the links that stand for a citation.

        Args:
            keys: such as "han2016deep,he2016deep".
            textual: True for authors as part of the sentence, as `{cite:t}` has them.

        Returns:
            Markdown, such as "([He et al., 2016](https://…))".

        Raises:
            KeyError: if there is no such work.
        """
        entries = [self.entries[key.strip()] for key in keys.split(",")]
        self.cited |= {entry.key: entry for entry in entries}
        between = " " if textual else ", "
        links = [f"[{authors(entry)}{between}{_year(entry)}]({address(entry)})" for entry in entries]
        return ", ".join(links) if textual else f"({'; '.join(links)})"

    def listed(self):
        """Give the cited works as a Markdown list, by author and year."""
        ordered = sorted(self.cited.values(), key=lambda entry: (authors(entry).lower(), _year(entry)))
        return "\n".join(f"- {_described(entry)}" for entry in ordered)


def authors(entry):
    """Give the family names: one, "A and B", or "A et al."; the title where nobody is named."""
    names = _names(entry)
    if not names:
        return _plain(entry.fields["title"])
    return " and ".join(names) if len(names) < 3 else f"{names[0]} et al."


def address(entry):
    """Give where a work is read: its DOI, else its arXiv number, else its address."""
    if "doi" in entry.fields:
        return "https://doi.org/" + quote(entry.fields["doi"], safe="/:;")
    if "eprint" in entry.fields:
        return f"https://arxiv.org/abs/{entry.fields['eprint']}"
    return quote(entry.fields["url"], safe="/:;?&=#%~+,@")


def _names(entry):
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    return [_plain(" ".join(person.prelast_names + person.last_names)) for person in people]


def _year(entry):
    return entry.fields.get("year", "no year")


def _plain(text):
    """Turn LaTeX into the characters it stands for."""
    return str(Text.from_latex(text)).replace("\n", " ")


def _described(entry):
    """Give authors, year, title as a link, and where it was published."""
    names = _names(entry)
    shown = ", ".join(names[:3]) + (" et al." if len(names) > 3 else "")
    place = next((_plain(entry.fields[name]) for name in WHERE if name in entry.fields), "")
    title = f"[{_plain(entry.fields['title'])}]({address(entry)})"
    return f"{shown} ({_year(entry)}). {title}." + (f" *{place}*." if place else "")
