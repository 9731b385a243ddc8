"""Report: an evaluation as a page that is read, its Markdown twin, and every number as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.errors import ConfigError, RunError
from dltrader.evaluation.evaluation import FILE, FOLDER, Evaluation
from dltrader.files import new_folder, write_json, write_text
from dltrader.reports.blocks import Page
from dltrader.reports.comparison import Compared, comparison_page
from dltrader.reports.page import report_page
from dltrader.reports.render import to_html, to_markdown
from dltrader.runs import Run
from dltrader.workflows.evaluate import evaluate

REPORT, NUMBERS = "report", "metrics.json"


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        html: The page.
        markdown: Its twin.
        numbers: Every number of the page by key, and the curves that it draws.
        verdict: The sentences that it begins with; none where runs are compared.
    """

    html: Path
    markdown: Path
    numbers: Path
    verdict: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Where it lies, for a notebook; the page is a document of its own."""
        links = "".join(
            f'<li><a href="{escape(path.as_posix())}" target="_blank" rel="noopener">{escape(path.as_posix())}</a></li>'
            for path in (self.html, self.markdown, self.numbers)
        )
        return f"<ul>{links}</ul>"


def report(path: str | Path, *, out: str | Path | None = None, again: bool = False, **evaluated: Any) -> Report:
    """Write the report of a run, of runs, of a walk-forward or of an evaluation.

    Args:
        path: The folder. What has not been evaluated yet, is.
        out: The page, a path that ends in .html; its twin and the numbers lie beside it under the same name, as
            NAME.md and NAME.metrics.json. By default `report/` in the folder, with report.html, report.md and
            metrics.json.
        again: Whether to evaluate even what has been.
        **evaluated: As for `evaluate`: seeds, jobs, market, executor, plugins, progress. What was evaluated with
            another number of seeds, on another market, or before a training ended, is evaluated anew.

    Raises:
        ConfigError: `out` is no .html file, or cannot be written.
        RunError: There is nothing in the folder that can be evaluated, or an evaluation is damaged.
        MissingExtraError: Jinja2 or arch is not installed.
    """
    target = None if out is None else _target(out)
    folder = _folder(path)
    evaluation = _evaluation(folder, again=again, **evaluated)
    written = _written(report_page(evaluation), folder / REPORT if target is None else target)
    return replace(written, verdict=tuple(evaluation.verdict))


def compare(paths: Sequence[str | Path], *, out: str | Path, **evaluated: Any) -> tuple[Sequence[Compared], Report]:
    """Write a page on which runs stand side by side.

    Args:
        paths: Folders, as for `report`; at least two.
        out: The page, a path that ends in .html.
        **evaluated: As for `report`.

    Raises:
        ConfigError: There are fewer than two, or one is named twice.
        DLTraderError: As of `report`.
    """
    if len(paths) < 2:
        raise ConfigError(f"compare needs at least two folders, was given {len(paths)}")
    target = _target(out)
    folders = [_folder(path) for path in paths]
    twice = next((path for path in folders if [one.resolve() for one in folders].count(path.resolve()) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice} is named twice; compare it with another folder")
    compared = Compared.named({folder: _evaluation(folder, **evaluated) for folder in folders})
    return compared, _written(comparison_page(compared), target)


def _evaluation(
    folder: Path, *, again: bool = False, seeds: int | None = None, market: str | None = None, **evaluated: Any
) -> Evaluation:
    """What is known of a folder already, or is now found out; further seeds of a run lie in RUN-seeds."""
    places = [folder] if seeds is None else [folder, folder.with_name(f"{folder.resolve().name}-seeds")]
    for place in [] if again else places:
        if (place / FOLDER / FILE).is_file():
            found = Evaluation.open(place)
            about = found.about
            is_asked = seeds in {None, len(about["seeds"])} and market in {None, *about["instruments"]}
            if is_asked and not _trained_since(place, pd.Timestamp(about["made"])):
                return found
    return evaluate(folder, seeds=seeds, market=market, **evaluated)


def _trained_since(folder: Path, time: pd.Timestamp) -> bool:
    """Whether a run in a folder ended later than a time, so that an evaluation of then is of another policy."""
    runs = [file.parent for pattern in ("", "*/", "folds/*/") for file in folder.glob(f"{pattern}manifest.json")]
    ends = [Run.open(path).manifest.get("ended") for path in runs if (path / "config.yaml").is_file()]
    return any(end is not None and pd.Timestamp(end) > time for end in ends)


def _folder(path: str | Path) -> Path:
    """The folder that holds what is reported; `evaluation/` itself stands for the one it lies in."""
    folder = Path(path)
    if not folder.is_dir():
        raise RunError(f"there is no folder {path}; name a run, a folder of runs or a walk-forward")
    return folder.parent if folder.name == FOLDER and (folder / FILE).is_file() else folder


def _target(out: str | Path) -> Path:
    target = Path(out)
    if target.suffix.lower() != ".html":
        raise ConfigError(f"--out must name a file that ends in .html, was {out}")
    if target.is_dir():
        raise ConfigError(f"--out {out} is a folder; name a file in it, such as {out}/report.html")
    return target


def _written(page: Page, target: Path) -> Report:
    """The three files; into a folder of their own, whole or not at all, or beside one another."""
    texts = to_html(page), to_markdown(page)
    values = {"numbers": dict(page.numbers), "series": page.series}
    try:
        if target.suffix.lower() != ".html":
            with new_folder(target) as folder:
                _write(Report(folder / f"{REPORT}.html", folder / f"{REPORT}.md", folder / NUMBERS), texts, values)
            return Report(target / f"{REPORT}.html", target / f"{REPORT}.md", target / NUMBERS)
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Report(target, target.with_suffix(".md"), target.with_name(f"{target.stem}.{NUMBERS}"))
        _write(made, texts, values)
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}; choose another --out") from None
    return made


def _write(made: Report, texts: tuple[str, str], values: dict[str, Any]) -> None:
    write_json(made.numbers, values)
    write_text(made.markdown, texts[1])
    write_text(made.html, texts[0])
