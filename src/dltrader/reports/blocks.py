"""What a page is made of: sections of paragraphs, cards, tables, pictures and sources.

The page and its Markdown twin are two ways to write down the same blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dltrader.reports.numbers import Word, Words


def words(*parts: Word | Words) -> Words:
    """Parts of a sentence in a row."""
    flat: list[Word] = []
    for part in parts:
        flat.extend(part if isinstance(part, tuple) else (part,))
    return tuple(flat)


@dataclass(frozen=True)
class Paragraph:
    """One paragraph; a `tone` of "answer" is the page's first word, "note" its small print."""

    kind: ClassVar[str] = "paragraph"
    words: Words
    tone: str = ""


@dataclass(frozen=True)
class Listing:
    """Points under one another."""

    kind: ClassVar[str] = "listing"
    items: Sequence[Words]


@dataclass(frozen=True)
class Card:
    """A key figure: what it is, how large, and beside what."""

    label: str
    figure: Words
    notes: Sequence[Words] = ()


@dataclass(frozen=True)
class Cards:
    """Key figures side by side."""

    kind: ClassVar[str] = "cards"
    cards: Sequence[Card]


@dataclass(frozen=True)
class Cell:
    """A cell of a table; a `heat` in [-1, 1] tints it."""

    words: Words
    heat: float | None = None


@dataclass(frozen=True)
class Row:
    """A row of a table under its heading; a `tone` of "self" marks what the report is about, "sum" a total."""

    head: Words
    cells: Sequence[Cell]
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under columns of numbers; columns named in `prose` hold words and are set to the left."""

    kind: ClassVar[str] = "table"
    caption: Words
    columns: Sequence[Words]
    rows: Sequence[Row]
    prose: frozenset[int] = frozenset()
    style: str = ""


@dataclass(frozen=True)
class Key:
    """A line of a legend: how a thing is drawn, and what it is."""

    swatch: str
    words: Words


@dataclass(frozen=True)
class Picture:
    """A chart, drawn twice: for wide screens and for narrow ones.

    Attributes:
        title: Its heading.
        label: What it shows, for those who do not see it.
        wide: SVG.
        narrow: SVG.
        keys: Its legend.
        caption: What to know to read it.
        data: What its script needs to zoom; none = it stands still.
    """

    kind: ClassVar[str] = "picture"
    title: str
    label: str
    wide: str
    narrow: str
    keys: Sequence[Key] = ()
    caption: Words = ()
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Pair:
    """Pictures side by side where there is room."""

    kind: ClassVar[str] = "pair"
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Source:
    """Text to be read as it is, such as a configuration; folded up at first."""

    kind: ClassVar[str] = "source"
    title: str
    text: str
    language: str = ""


Block = Paragraph | Listing | Cards | Table | Picture | Pair | Source


@dataclass(frozen=True)
class Section:
    """A part of the page with its heading; `short` is what the table of contents calls it."""

    id: str
    title: str
    blocks: Sequence[Block]
    lead: Words = ()
    short: str = ""


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: Its heading, which may hold a name that somebody chose.
        facts: The line under it, parts that are set apart.
        sections: Its parts.
        footer: Its last line.
        numbers: Key -> value of every number on it.
        series: Name -> what its charts draw, for metrics.json.
        kind: What it is, above its heading.
    """

    title: str
    facts: Sequence[Words]
    sections: Sequence[Section]
    footer: Words
    numbers: Mapping[str, float]
    series: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "Report"
