"""The trial ledger: one row for every training, trial of a tuning and backtest, of all runs of a user.

A result is the more likely to be luck the more trials it was chosen from. People forget how many there were; the ledger
does not: rows are appended and never changed. It is a SQLite file in the user's data directory; the environment
variable DLTRADER_LEDGER names another file or the SQLAlchemy URL of another database, and `off` switches it off, upon
which the number of trials is unknown. `trial.py` says what a trial is.

Which entries stand behind a data set: those of the same fingerprint, and those that share a market with it and whose
test bars overlap its own in time, such as the same series a month longer. Bars that were handed over as frames have no
source: their market is the name of the instrument, so frames without a name count as one market.

The only file that knows SQLAlchemy.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from errno import ENOTDIR
from pathlib import Path
from string import hexdigits
from typing import Any, Self, TypeVar

import pandas as pd
import platformdirs
import sqlalchemy as sql
from sqlalchemy import URL, Column, ColumnElement, Connection, Engine, String
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from dltrader.data import expand
from dltrader.data.times import Moment, moment
from dltrader.errors import ConfigError, LedgerError
from dltrader.runs.trial import SPANS, DataSet, Entry, Span, entry_of, market_of, row_of, sharpes_of, span_of, written

VARIABLE, OFF, FILE = "DLTRADER_LEDGER", "off", "trials.db"
SCHEMA = 1
WAIT_SECONDS = 10.0
"""How long a ledger that another process has locked is waited for."""
LEAST_DIGITS = 6
"""Of a fingerprint that is given by its beginning."""

T = TypeVar("T")

WORDS = (
    "time", "kind", "experiment", "config_id", "trial", "engine", "status", "data_sha256", "uris", "markets", "scores",
    "run", "version",
)  # fmt: skip
METADATA = sql.MetaData()
VERSIONS = sql.Table(
    "ledger", METADATA, Column("id", sql.Integer, primary_key=True), Column("schema_version", sql.Integer)
)
TRIALS = sql.Table(
    "trials",
    METADATA,
    Column("id", sql.Integer, primary_key=True),
    *(Column(name, String, nullable=False) for name in WORDS),
    *(Column(f"{part}_{end}", String) for part in SPANS for end in Span._fields),
    Column("seed", sql.Integer, nullable=False),
    Column("seconds", sql.Float),
    Column("counts", sql.Boolean, nullable=False),
    Column("looked", sql.Boolean, nullable=False),
)
INDEXES = [sql.Index("trials_by_data", TRIALS.c.data_sha256), sql.Index("trials_by_test", TRIALS.c.test_first)]

About = DataSet | str | None
"""Data: a data set, a fingerprint or its beginning, a source URI; None: all."""


class Ledger:
    """The ledger of a database; `open` finds it. Nothing is read or made before it is asked or told something.

    Attributes:
        name: The database in words, without a password; what stands in reports.
        unknown: Why it does not know all trials; None as long as it does. What failed once is not tried again.
    """

    def __init__(self, name: str, engine: Engine | None, unknown: str | None = None) -> None:
        self.name, self.unknown = name, unknown
        self._engine = engine
        self._is_ready = False

    @classmethod
    def open(cls, url: str | Path | None = None) -> Self:
        """The ledger of a file or a database; it never fails, `unknown` says what is wrong.

        Args:
            url: A file, an SQLAlchemy URL, or "off"; None: what DLTRADER_LEDGER says, or else the user's own.
        """
        chosen = str(url if url is not None else os.environ.get(VARIABLE) or default_file())
        if chosen.lower() == OFF:
            return cls(OFF, None, f"the trial ledger is switched off ({VARIABLE}={OFF})")
        try:
            parsed = sql.make_url(chosen if "://" in chosen else f"sqlite:///{Path(chosen).expanduser().resolve()}")
            is_sqlite = parsed.get_backend_name() == "sqlite"
            if is_sqlite and parsed.database in {None, "", ":memory:"}:
                return cls(chosen, None, f"the trial ledger {chosen} ends with its process; name a file")
            options = {"connect_args": {"timeout": WAIT_SECONDS}} if is_sqlite else {}
            engine = sql.create_engine(parsed, poolclass=NullPool, **options)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            return cls(chosen.partition("://")[0], None, f"{VARIABLE} names no database: {_first_line(error)}")
        return cls(str(parsed.database) if is_sqlite else parsed.render_as_string(), engine)

    @property
    def off(self) -> bool:
        """Whether its user has switched it off."""
        return self.name == OFF

    def record(self, entry: Entry) -> None:
        """Append an entry; however many processes do so at once, no row is lost. Does nothing where it is off.

        Raises:
            LedgerError: It is locked for long, not writable, damaged, or of a newer version.
        """
        if self.off:
            return
        values = row_of(replace(entry, time=entry.time or written(pd.Timestamp(dt.datetime.now(dt.UTC)))))

        def append(connection: Connection) -> None:
            connection.execute(sql.insert(TRIALS), values)

        self._run(append)

    def entries(self, about: About = None, *, since: Moment | None = None, limit: int | None = None) -> list[Entry]:
        """Entries, oldest first.

        Args:
            about: Only those that stand behind these data.
            since: Only those from this time on.
            limit: Only the last so many.

        Raises:
            LedgerError: It cannot be read, or a row of it is damaged.
            ConfigError: The time cannot be read.
        """
        behind = _behind(about)
        wanted = [] if since is None else [TRIALS.c.time >= written(moment(since, "since"))]

        def read(connection: Connection) -> list[Entry]:
            query = sql.select(TRIALS).where(*wanted, *behind(connection)).order_by(TRIALS.c.id.desc())
            return [self._entry(dict(row)) for row in connection.execute(query.limit(limit)).mappings()][::-1]

        return self._run(read, without_file=[])

    def count(self, about: About = None) -> int | None:
        """How many distinct trials stand behind data; None where that is not known, and `unknown` says why.

        Raises:
            ConfigError: The text names no data.
        """
        behind = _behind(about)

        def read(connection: Connection) -> int:
            query = sql.select(sql.func.count(sql.distinct(TRIALS.c.trial))).where(TRIALS.c.counts)
            return int(connection.execute(query.where(*behind(connection))).scalar_one())

        return self._answer(read, 0)

    def looked(self, data: DataSet) -> int | None:
        """How often the test bars of a data set have been looked at, in whole or in part; None as of `count`."""
        seen = data.test
        if seen is None:
            return 0

        def read(connection: Connection) -> int:
            overlap = _overlap("tested", seen)
            query = sql.select(sql.func.count()).where(TRIALS.c.looked, overlap, _same_data(data.sha256, data.markets))
            return int(connection.execute(query).scalar_one())

        return self._answer(read, 0)

    def sharpes(self, about: About = None, *, periods_per_year: float | None = None) -> list[float] | None:
        """The Sharpe ratios of the trials behind data, one a trial, for the variance that luck gives them.

        Of a trial it is that of the backtest with the most returns; where it was never backtested, that of its best
        checkpoint on the validation bars. Trials without either are left out.

        Args:
            about: The data.
            periods_per_year: Of the bars that the ratios are to be of; None: each of its own bars.

        Returns:
            Ratios a bar; None where they are not known, and `unknown` says why.

        Raises:
            ConfigError: The text names no data.
        """
        behind = _behind(about)

        def read(connection: Connection) -> list[float]:
            query = sql.select(TRIALS.c.trial, TRIALS.c.scores).where(TRIALS.c.counts, *behind(connection))
            kept = connection.execute(query.order_by(TRIALS.c.id))
            return sharpes_of(((trial, json.loads(scores)) for trial, scores in kept), periods_per_year)

        return self._answer(read, [])

    def _answer(self, read: Callable[[Connection], T], without_file: Any) -> T | None:
        """What was read; None, with `unknown` set, where that fails."""
        if self.unknown is not None:
            return None
        try:
            return self._run(read, without_file=without_file)
        except LedgerError:
            return None

    def _run(self, work: Callable[[Connection], T], *, without_file: Any = None) -> T:
        """Do something in a transaction of its own, as long as it takes to get one.

        Raises:
            LedgerError: It cannot be done; from then on the ledger is unknown.
        """
        if self.unknown is not None or self._engine is None:
            raise LedgerError(self.unknown or "")
        file = _file_of(self._engine.url)
        until = time.monotonic() + WAIT_SECONDS
        try:
            if without_file is not None and file is not None and not file.exists():
                if not next(parent for parent in file.parents if parent.exists()).is_dir():
                    raise NotADirectoryError(ENOTDIR, "one of its folders is a file")
                nothing: T = without_file
                return nothing
            while True:
                try:
                    self._make_ready(self._engine, file)
                    with self._engine.begin() as connection:
                        return work(connection)
                except OperationalError as error:
                    # SQLite waits by itself for other writers, but not when two make the file at the same time.
                    if "locked" not in str(error) or time.monotonic() >= until:
                        raise
                    time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - no secret
        except LedgerError as error:
            self.unknown = str(error)
            raise
        except (SQLAlchemyError, OSError, ValueError, TypeError, ImportError) as error:
            self.unknown = (
                f"the trial ledger {self.name} cannot be used: {_first_line(error)}; repair it, or name another with "
                f"{VARIABLE}"
            )
            raise LedgerError(self.unknown) from None

    def _make_ready(self, engine: Engine, file: Path | None) -> None:
        """Make the tables where there are none, and check what version they are of."""
        if self._is_ready:
            return
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            with engine.connect() as connection:
                connection.execute(
                    sql.text("PRAGMA journal_mode=WAL")
                )  # readers and the writer do not wait for each other
        with engine.begin() as connection:
            known = engine.dialect.has_table(connection, VERSIONS.name)
            if not known:
                connection.execute(CreateTable(TRIALS, if_not_exists=True))
                for index in INDEXES:
                    connection.execute(CreateIndex(index, if_not_exists=True))
                connection.execute(CreateTable(VERSIONS, if_not_exists=True))  # last: where it is, all is
        if not known:
            with suppress(IntegrityError), engine.begin() as connection:  # another process has just done so
                connection.execute(sql.insert(VERSIONS), {"id": 1, "schema_version": SCHEMA})
        with engine.connect() as connection:
            version = connection.execute(sql.select(VERSIONS.c.schema_version)).scalar()
        if version not in {None, SCHEMA}:  # None: whoever makes it has not come to that yet
            raise LedgerError(
                f"the trial ledger {self.name} is of version {version}, this version of dltrader knows {SCHEMA}; "
                f"upgrade dltrader, or name another with {VARIABLE}"
            )
        self._is_ready = True

    def _entry(self, row: Mapping[str, Any]) -> Entry:
        try:
            return entry_of(row)
        except (ValueError, TypeError, AttributeError) as error:
            raise LedgerError(
                f"row {row['id']} of the trial ledger {self.name} is damaged: {_first_line(error)}; remove the row"
            ) from None


def default_file() -> Path:
    """Where a user's ledger lies unless DLTRADER_LEDGER says otherwise."""
    return Path(platformdirs.user_data_dir("dltrader", appauthor=False)) / FILE


def _behind(about: About) -> Callable[[Connection], list[ColumnElement[bool]]]:
    """What finds out how the entries behind data are selected.

    Raises:
        ConfigError: The text names no data.
        SourceError: Nothing matches a wildcard.
    """
    if about is None:
        return lambda connection: []  # noqa: ARG005 - as the others
    if isinstance(about, DataSet):
        of_set = _behind_set(about.sha256, about.markets, about.test)
        return lambda connection: [of_set]  # noqa: ARG005
    if ":" in about:
        of_markets = _of_markets([market_of(uri) for uri in expand(about)])
        return lambda connection: [of_markets]  # noqa: ARG005
    if len(about) < LEAST_DIGITS or set(about) - set(hexdigits.lower()):
        raise ConfigError(
            f"{about!r} is neither a source URI such as sample:AAPL nor a fingerprint or its first {LEAST_DIGITS} or "
            "more digits, which `dltrader data show` prints"
        )

    def of_fingerprint(connection: Connection) -> list[ColumnElement[bool]]:
        columns = TRIALS.c.data_sha256, TRIALS.c.markets, TRIALS.c.test_first, TRIALS.c.test_last
        query = sql.select(*columns).where(TRIALS.c.data_sha256.startswith(about)).distinct()
        sets = [
            _behind_set(sha256, markets.split("\n")[1:-1], span_of(first, last))
            for sha256, markets, first, last in connection.execute(query)
        ]
        return [sql.or_(sql.false(), *sets)]

    return of_fingerprint


def _behind_set(sha256: str, markets: list[str], test: Span | None) -> ColumnElement[bool]:
    same = TRIALS.c.data_sha256 == sha256
    return same if test is None else sql.or_(same, sql.and_(_of_markets(markets), _overlap("test", test)))


def _same_data(sha256: str, markets: list[str]) -> ColumnElement[bool]:
    return sql.or_(TRIALS.c.data_sha256 == sha256, _of_markets(markets))


def _of_markets(markets: list[str]) -> ColumnElement[bool]:
    return sql.or_(sql.false(), *(TRIALS.c.markets.contains(f"\n{market}\n", autoescape=True) for market in markets))


def _overlap(part: str, span: Span) -> ColumnElement[bool]:
    return sql.and_(TRIALS.c[f"{part}_first"] <= written(span.last), TRIALS.c[f"{part}_last"] >= written(span.first))


def _file_of(url: URL) -> Path | None:
    """The file of an SQLite database, also where it is named by a URI of SQLite's own; None of another database."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path((url.database or "").removeprefix("file:"))


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, json.JSONDecodeError):
        return f"a value is no JSON ({cause})"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return (str(cause).splitlines() or [type(cause).__name__])[0]
