"""`dltrader bench planted` and `dltrader bench placebo`: what is there to be found is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dltrader.cli.bench import require_writable, writing
from dltrader.config import parse_overrides
from dltrader.errors import ConfigError

if TYPE_CHECKING:
    from dltrader.runs import ExperimentConfig

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CONFIG] [KEY=VALUE]…",
        help="An experiment, by default ppo as it is shipped for this: a name or a YAML file; dotted keys with values.",
    ),
]
Markets = Annotated[
    list[str] | None,
    typer.Option("--bars", help="A source URI, also with a wildcard; may be given several times."),
]
BlockBars = Annotated[int, typer.Option(min=1, help="Bars that stay together when bars are shuffled.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write what was measured here.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress line.")]


def planted(
    words: Words = None,
    *,
    bars: Markets = None,
    strength: Annotated[
        list[float] | None,
        typer.Option(
            help="Correlation of what is planted with what a position earns; may be given several times.",
            show_default="0.1, 0.2, 0.4",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Of shuffle, signal and training, from 0 on.")] = 5,
    block_bars: BlockBars = 20,
    jobs: Jobs = 1,
    json: Json = None,
    quiet: Quiet = False,
) -> None:
    """Plant predictable gaps of known strength in real bars, and show what share of their profit an agent recovers.

    Bars are by default sample:AAPL. Growths are log growths on test bars, after costs, in Cerebro: of the best policy,
    which knows what was planted, of the agent, which has to learn it, and of buying once and holding.
    """
    from dltrader.benchmarks.planted.recovery import measure_planted
    from dltrader.benchmarks.planted.trainings import markets_of
    from dltrader.cli.planted_tables import print_recoveries
    from dltrader.files import write_json

    strengths = strength or [0.1, 0.2, 0.4]
    _require_different("--strength", strengths)
    experiment, markets = _experiment("planted", words or []), markets_of(bars or ["sample:AAPL"])
    if json is not None:
        require_writable(json)
    with _progress(len(markets) * len(strengths) * seeds, quiet=quiet) as advance:
        found = measure_planted(
            experiment,
            markets,
            strengths=strengths,
            seeds=range(seeds),
            block_bars=block_bars,
            jobs=jobs,
            watch=advance,
        )
    print_recoveries(found)
    if json is not None:
        with writing(json):
            write_json(json, {"recoveries": [recovery.to_mapping() for recovery in found]})


def placebo(
    words: Words = None,
    *,
    bars: Markets = None,
    shuffles: Annotated[int, typer.Option(min=1, help="How many; the bars take turns.")] = 40,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings on each shuffle, every one with a seed of its own.")] = 1,
    block_bars: BlockBars = 20,
    jobs: Jobs = 1,
    json: Json = None,
    quiet: Quiet = False,
) -> None:
    """Train on real bars, shuffled and turned up or down by lot, and show how often an agent seems to grow there.

    Bars are by default sample:*. Nothing can be predicted there, so growth on test bars that is significant at 5 % is a
    false positive. If there are significantly more than 5 % of them, something looks ahead, and the exit code is 1.
    """
    from dltrader.benchmarks.planted.placebo import measure_placebo
    from dltrader.benchmarks.planted.trainings import markets_of
    from dltrader.cli.planted_tables import print_placebo
    from dltrader.files import write_json

    experiment, markets = _experiment("placebo", words or []), markets_of(bars or ["sample:*"])
    if json is not None:
        require_writable(json)
    with _progress(shuffles * seeds, quiet=quiet) as advance:
        found = measure_placebo(
            experiment, markets, shuffles=shuffles, seeds=seeds, block_bars=block_bars, jobs=jobs, watch=advance
        )
    print_placebo(found)
    if json is not None:
        with writing(json):
            write_json(json, found.to_mapping())
    if found.too_many:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Make them commands."""
    app.command(
        epilog="Examples:  dltrader bench planted --seeds 10 --jobs 2   |   "
        "dltrader bench planted ppo_lstm --bars sample:IBM --strength 0.2 --strength 0.3"
    )(planted)
    app.command(
        epilog="Examples:  dltrader bench placebo --shuffles 100 --jobs 2   |   "
        "dltrader bench placebo ppo_mlp --bars sample:IBM train.total_timesteps=20000"
    )(placebo)


def _experiment(kind: Literal["planted", "placebo"], words: Sequence[str]) -> ExperimentConfig:
    """The experiment that is named, or the one that is shipped, with dotted keys replaced."""
    from dltrader.benchmarks.planted.trainings import experiment_of

    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise ConfigError(f"one experiment is measured at a time, found {', '.join(names)}; write values as key=value")
    overrides = parse_overrides([word for word in words if "=" in word])
    if "data.bars" in overrides:
        raise ConfigError("data.bars has no effect here, because bars are made; name the market with --bars")
    return experiment_of(kind, names[0] if names else "ppo", overrides)


def _require_different(option: str, numbers: Sequence[float]) -> None:
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"{option} must name different numbers, was {', '.join(f'{number:g}' for number in numbers)}")


@contextmanager
def _progress(trainings: int, *, quiet: bool) -> Iterator[Callable[..., Any]]:
    """A progress line, and what moves it on by one training."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("trainings", total=trainings)
        yield lambda *_: progress.advance(task)
