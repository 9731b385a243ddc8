"""`dltrader data`: look at bars, and take them elsewhere."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Annotated

import typer

from dltrader.errors import ConfigError

app = typer.Typer(help="Look at bars, and take them elsewhere.", no_args_is_help=True)

URI = Annotated[str, typer.Argument(metavar="URI", help="A source URI: sample:AAPL, csv:prices.csv, yahoo:SPY, …")]
Start = Annotated[str | None, typer.Option(help="The first bar is not before this date.")]
End = Annotated[str | None, typer.Option(help="The last bar is not after this date.")]


@app.command(epilog="Examples:  dltrader data show sample:AAPL   |   dltrader data show 'synthetic:sine?n=500'")
def show(uri: URI, *, start: Start = None, end: End = None) -> None:
    """Show the first and last bars, their span and their fingerprint."""
    from dltrader.cli.tables import print_bars
    from dltrader.data import load_bars

    print_bars(uri, load_bars(uri, start=start, end=end))


@app.command(epilog="Example:  dltrader data export sample:AAPL --out aapl.csv")
def export(
    uri: URI,
    *,
    out: Annotated[Path, typer.Option(help="The CSV file to write; .csv.gz is compressed.")],
    start: Start = None,
    end: End = None,
) -> None:
    """Write bars to a CSV file that `csv:` reads back."""
    from dltrader.data import load_bars
    from dltrader.files import write_bytes

    if not out.name.endswith((".csv", ".csv.gz")):
        raise ConfigError(f"--out must end in .csv or .csv.gz, was {out}")
    if out.exists():
        raise ConfigError(f"{out} already exists; choose another --out or remove it")
    bars = load_bars(uri, start=start, end=end)
    content = bars.to_csv(lineterminator="\n").encode()
    try:
        write_bytes(out, gzip.compress(content, mtime=0) if out.suffix == ".gz" else content)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror or error}") from None
    typer.echo(f"{len(bars)} bars written to {out}")
