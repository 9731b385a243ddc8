"""The command line: parse, call, show."""

from __future__ import annotations

import sys

from dltrader.cli.app import app
from dltrader.errors import DLTraderError


def main() -> None:
    """Run `dltrader`. What the user did wrong is one line on standard error and exit code 2."""
    try:
        app(prog_name="dltrader")
    except DLTraderError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - the command line's own voice
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
