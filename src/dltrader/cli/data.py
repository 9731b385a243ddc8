"""`dltrader data`: look at bars, check them, and take them elsewhere."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Annotated

import typer

from dltrader.errors import ConfigError

app = typer.Typer(help="Look at bars, check them, and take them elsewhere.", no_args_is_help=True)

URI = Annotated[str, typer.Argument(metavar="URI", help="A source URI: sample:AAPL, csv:prices.csv, yahoo:SPY, …")]
Start = Annotated[str | None, typer.Option(help="The first bar is not before this date.")]
End = Annotated[str | None, typer.Option(help="The last bar is not after this date.")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Ask the provider although its bars are kept.")]
Offline = Annotated[bool, typer.Option("--offline", help="Take what is kept of a provider's bars, however old.")]

ENDINGS = (".csv", ".csv.gz", ".parquet")


@app.command(epilog="Examples:  dltrader data show sample:AAPL   |   dltrader data show 'synthetic:sine?n=500'")
def show(uri: URI, *, start: Start = None, end: End = None, refresh: Refresh = False, offline: Offline = False) -> None:
    """Show the first and last bars, their span, their fingerprint and where they come from."""
    from dltrader.cli.data_tables import print_origin
    from dltrader.cli.tables import print_bars
    from dltrader.data import load_bars

    bars = load_bars(uri, start=start, end=end, refresh=refresh, offline=offline or None)
    print_bars(uri, bars)
    print_origin(bars)


@app.command(
    epilog="Examples:  dltrader data check sample:AAPL --calendar XNYS   |   dltrader data check 'csv:prices/*.csv'"
)
def check(
    uri: Annotated[str, typer.Argument(metavar="URI", help="A source URI, or one with a wildcard for many.")],
    *,
    calendar: Annotated[
        str | None, typer.Option(help="The exchange's calendar, such as XNYS; without one, gaps of a day pass.")
    ] = None,
    start: Start = None,
    end: End = None,
    refresh: Refresh = False,
    offline: Offline = False,
    rows: Annotated[int, typer.Option(min=1, help="How many findings to print for each URI, gravest first.")] = 30,
) -> None:
    """Look for gaps, unadjusted splits, bad ticks, stale prices and bars without volume.

    A problem is most likely a fault of the data; what markets do as well, such as a crash, is only worth a look. The
    exit code is 1 if there is a problem anywhere, and 0 without one.
    """
    from dltrader.cli.data_tables import print_findings
    from dltrader.data import check_bars, expand, load_bars

    clean = True
    for one in expand(uri):
        bars = load_bars(one, start=start, end=end, refresh=refresh, offline=offline or None)
        findings = check_bars(bars, calendar)
        print_findings(one, findings, rows)
        clean = clean and findings.clean
    if not clean:
        raise typer.Exit(1)


@app.command(epilog="Example:  dltrader data export sample:AAPL --out aapl.csv   |   … --out aapl.parquet")
def export(
    uri: URI,
    *,
    out: Annotated[Path, typer.Option(help="The file to write: .csv, .csv.gz or .parquet.")],
    start: Start = None,
    end: End = None,
    refresh: Refresh = False,
    offline: Offline = False,
) -> None:
    """Write bars to a file that `csv:` or `parquet:` reads back."""
    from dltrader.data import load_bars
    from dltrader.data.parquet import exported
    from dltrader.files import write_bytes

    if not out.name.endswith(ENDINGS):
        raise ConfigError(f"--out must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, was {out}")
    if out.exists():
        raise ConfigError(f"{out} already exists; choose another --out or remove it")
    bars = load_bars(uri, start=start, end=end, refresh=refresh, offline=offline or None)
    content = exported(bars) if out.suffix == ".parquet" else bars.to_csv(lineterminator="\n").encode()
    try:
        write_bytes(out, gzip.compress(content, mtime=0) if out.suffix == ".gz" else content)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror or error}") from None
    typer.echo(f"{len(bars)} bars written to {out}")
