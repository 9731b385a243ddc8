"""A page as HTML and as Markdown: two ways to write down the same blocks."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from dltrader.errors import MissingExtraError
from dltrader.reports.blocks import Cell, Page
from dltrader.reports.charts.price import as_json
from dltrader.reports.numbers import Ends, Moment, Number, Words

if TYPE_CHECKING:
    from jinja2 import Environment

_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~$])")


def to_html(page: Page) -> str:
    """One self-contained file: style, charts and scripts stand in it, and it asks the network for nothing.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    files = {name: _template(name) for name in ("style.css", "page.js", "zoom.js")}
    has_zoom = any(block.data for section in page.sections for block in _pictures(section.blocks))
    return _environment().get_template("page.html.jinja").render(page=page, files=files, has_zoom=has_zoom)


def to_markdown(page: Page) -> str:
    """The same words, numbers and tables; charts are named, and their legends and captions kept.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    written = _environment().get_template("page.md.jinja").render(page=page)
    return re.sub(r"\n{3,}", "\n\n", written).strip() + "\n"


def text(parts: Words) -> str:
    """Words without any marks, for attributes."""
    return "".join(str(part) for part in parts)


def plain(parts: Words) -> str:
    """Words as Markdown, in which nothing that somebody chose means anything."""
    return "".join(str(part) if isinstance(part, Number | Moment | Ends) else _escaped(str(part)) for part in parts)


def _escaped(text: str) -> str:
    marked = _SPECIAL.sub(r"\\\1", text.replace("\n", " "))
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fence(text: str) -> str:
    """A fence that the text does not hold."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)


def _heat(cell: Cell) -> str:
    """The style of a tinted cell: a share of the colour, in percent."""
    return "" if cell.heat is None else f"--heat: {100 * abs(cell.heat):.0f}%"


def _pictures(blocks: Any) -> list[Any]:
    return [one for block in blocks for one in getattr(block, "pictures", [block]) if one.kind == "picture"]


@cache
def _environment() -> Environment:
    try:
        import jinja2  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError("jinja2", "report") from None
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=jinja2.select_autoescape(["html.jinja"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters |= {
        "text": text,
        "plain": plain,
        "md": _escaped,
        "fence": _fence,
        "heat": _heat,
        "json": as_json,
    }
    return environment


def _template(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
