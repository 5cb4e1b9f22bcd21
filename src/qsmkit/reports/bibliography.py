"""The literature: a reader of `references.bib`, and the way a reference is printed.

The file keeps to plain BibTeX: `@type{key, field = {text}, …}` with UTF-8 letters, braces around capitals,
and no macros.
"""

import functools
import re
from dataclasses import dataclass
from importlib import resources

from qsmkit.errors import InputError


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry.

    Attributes
    ----------
    key : str
        Name by which methods and recipes cite it.
    fields : dict
        Author, title, journal, year, … as plain text.
    """

    key: str
    fields: dict[str, str]

    @property
    def authors(self) -> list[str]:
        """Authors as "Family AB"; the words of a name that carries no comma stay as they are."""
        return [_short_name(name) for name in re.split(r"\s+and\s+", self.fields.get("author", "")) if name]

    @property
    def doi(self) -> str:
        """The digital object identifier, or nothing."""
        return self.fields.get("doi", "")

    def __str__(self) -> str:
        f = self.fields
        authors = self.authors if len(self.authors) <= 6 else [*self.authors[:3], "et al"]
        place = f.get("journal") or f.get("booktitle") or f.get("publisher") or f.get("howpublished", "")
        where = f"{place} {f.get('year', '')}".strip()
        where += f";{f['volume']}" if "volume" in f else ""
        where += f"({f['number']})" if "number" in f else ""
        where += f":{f['pages']}" if "pages" in f else ""
        if not f:
            return self.key
        text = " ".join(f"{p.rstrip('.')}." for p in (", ".join(authors), f.get("title", ""), where) if p)
        return f"{text} doi:{self.doi}" if self.doi else text


@functools.cache
def bibliography() -> dict[str, Reference]:
    """Return every entry of `references.bib` by its key."""
    return parse((resources.files("qsmkit.reports") / "references.bib").read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, Reference]:
    """Read BibTeX.

    Raises
    ------
    InputError
        An entry's braces do not match, or a key stands twice.
    """
    found: dict[str, Reference] = {}
    for start in re.finditer(r"^@\w+\s*\{\s*([^,\s]+)\s*,", text, re.M):
        key = start[1]
        if key in found:
            raise InputError(f"bibliography key {key!r} stands twice; remove one")
        body = text[start.end() : _closing(text, start.end(), key)]
        fields, position = {}, 0
        while field := re.compile(r"\s*,?\s*(\w+)\s*=\s*\{").match(body, position):
            end = _closing(body, field.end(), key)
            fields[field[1].lower()] = _plain(body[field.end() : end])
            position = end + 1
        found[key] = Reference(key, fields)
    return found


def _closing(text: str, position: int, key: str) -> int:
    """Return where the brace closes that opened just before `position`."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, position):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.start()
    raise InputError(f"bibliography entry {key!r} lacks a closing brace; add it")


def _plain(text: str) -> str:
    return " ".join(text.replace("{", "").replace("}", "").replace("--", "–").split())


def _short_name(name: str) -> str:
    family, comma, given = name.partition(", ")
    initials = "".join(part[0] for part in re.split(r"[\s.-]+", given) if part)
    return f"{family} {initials}" if comma else name
