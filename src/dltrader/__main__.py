"""`python -m dltrader` is the command line."""

from __future__ import annotations

from dltrader.cli import main

if __name__ == "__main__":
    main()
