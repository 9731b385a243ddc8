from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dltrader.errors import ConfigError, LedgerError
from dltrader.runs import ledger as module
from dltrader.runs.ledger import Ledger, default_file
from dltrader.runs.trial import Scores
from ledger_rows import data_of, entry_of, look_of, span

PROCESSES, ROWS = 3, 25
LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("begin exclusive")
print("held", flush=True)
time.sleep(0.5)
connection.rollback()
connection.close()
"""
WRITE = """
import sys, types
import dltrader
# The room without its door, behind which torch waits: a process takes a second instead of five.
room = sys.modules["dltrader.runs"] = types.ModuleType("dltrader.runs")
room.__path__ = [f"{dltrader.__path__[0]}/runs"]
sys.path.insert(0, sys.argv[1])
from ledger_rows import write_rows
print("ready", flush=True)
sys.stdin.readline()
write_rows(sys.argv[2], sys.argv[3], int(sys.argv[4]))
"""


@pytest.fixture
def opened(ledger):
    return Ledger.open()


@pytest.fixture
def short(monkeypatch):
    """Nobody waits long for a locked ledger."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)


def test_a_new_ledger_is_empty_and_asking_makes_no_file(opened, ledger):
    assert (opened.count(), opened.entries(), opened.looked(data_of()), opened.sharpes()) == (0, [], 0, [])
    assert opened.unknown is None
    assert not ledger.exists()


def test_what_is_recorded_is_there_for_whoever_opens_it_next(opened, ledger):
    opened.record(entry_of(seconds=1.5, run="/runs/one"))
    found = Ledger.open(ledger).entries()
    assert [(each.seconds, each.run, each.scores) for each in found] == [(1.5, "/runs/one", entry_of().scores)]
    assert found[0].data == data_of()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[0].time)


def test_each_configuration_and_seed_is_a_trial_and_repetitions_are_none(opened):
    for config, seed in [("a", 0), ("a", 1), ("b", 0), ("a", 0), ("a", 0)]:
        opened.record(entry_of(config, seed))
    opened.record(look_of("a", 0))
    opened.record(entry_of("c", kind="benchmark"))
    opened.record(entry_of("d", scores=Scores(), status="failed"))
    assert opened.count() == opened.count("a" * 64) == opened.count(data_of()) == 3
    assert len(opened.entries()) == 8


def test_the_folds_of_a_walk_forward_are_one_trial_a_seed(opened):
    for fold in range(5):
        for seed in range(2):
            opened.record(entry_of(f"fold {fold}", seed, kind="walk-forward fold"))
    assert opened.count("sample:AAPL") == 0
    for seed in range(2):
        opened.record(look_of("whole", seed, kind="walk-forward"))
    assert opened.count("sample:AAPL") == 2


def test_data_are_the_same_where_a_market_is_shared_and_tests_overlap(opened):
    base = data_of("a" * 64, "yahoo:SPY", ("2010", "2012"))
    opened.record(entry_of("a", data=base))
    opened.record(entry_of("longer", data=data_of("b" * 64, "yahoo:SPY?interval=1h", ("2011", "2013"))))
    opened.record(entry_of("later", data=data_of("c" * 64, "yahoo:SPY", ("2012-06", "2013"))))
    opened.record(entry_of("other", data=data_of("d" * 64, "yahoo:SPYG", ("2010", "2012"))))
    opened.record(entry_of("renamed", data=data_of("a" * 64, "csv:spy.csv", ("2019", "2020"))))
    assert {each.config_id for each in opened.entries(base)} == {"a", "longer", "renamed"}
    assert opened.count(base) == 3
    # By the fingerprint alone, all tests on those bars are meant.
    assert opened.count("a" * 64) == opened.count("aaaaaa") == 3
    assert opened.count("c" * 64) == 2
    assert opened.count("yahoo:SPY") == 3
    assert opened.count("e" * 64) == 0


def test_a_wildcard_in_a_name_is_only_a_letter(opened):
    opened.record(entry_of(data=data_of(uri="yahoo:A_B")))
    opened.record(entry_of(data=data_of("b" * 64, uri="yahoo:AXB")))
    assert opened.count("yahoo:A_B") == 1


def test_only_looks_at_overlapping_bars_of_the_market_are_looks(opened):
    data = data_of(test=("2010", "2011"))
    opened.record(entry_of(data=data))
    assert opened.looked(data) == 0
    opened.record(look_of(data=data))
    opened.record(look_of(data=data, tested=span("2010-06", "2010-07")))
    opened.record(look_of(data=data, tested=span("2009", "2009-06"), looked=False))
    assert opened.looked(data) == 2
    assert opened.looked(data_of("b" * 64, test=("2010-12", "2012"))) == 1
    assert opened.looked(data_of("b" * 64, test=("2011-02", "2012"))) == 0
    assert opened.looked(data_of("b" * 64, "sample:IBM")) == 0


def test_sharpes_are_one_a_trial_and_of_the_longest_test(opened):
    opened.record(entry_of("a"))
    opened.record(entry_of("b"))
    opened.record(look_of("b", scores=Scores(growth=0.1, sharpe=0.3, returns=100, periods_per_year=252.0)))
    opened.record(look_of("b", scores=Scores(growth=0.1, sharpe=0.2, returns=250, periods_per_year=252.0)))
    opened.record(entry_of("c", scores=Scores(validation_growth=0.0, validation_sharpe=float("nan"))))
    assert sorted(opened.sharpes("a" * 64)) == [0.05, 0.2]
    assert sorted(opened.sharpes("a" * 64, periods_per_year=63.0)) == pytest.approx([0.1, 0.4])


def test_entries_are_the_last_ones_oldest_first(opened):
    for seed, day in enumerate(("01", "02", "03")):
        opened.record(entry_of(seed=seed, time=f"2026-01-{day}T00:00:00Z"))
    assert [each.seed for each in opened.entries()] == [0, 1, 2]
    assert [each.seed for each in opened.entries(limit=2)] == [1, 2]
    assert [each.seed for each in opened.entries(since="2026-01-02")] == [1, 2]
    assert [each.seed for each in opened.entries(since="2026-01-02", limit=1)] == [2]


@pytest.mark.parametrize("about", ["abc", "prices", "AAAAAAA", ""])
def test_what_names_no_data_is_refused(opened, about):
    for ask in (opened.entries, opened.count, opened.sharpes):
        with pytest.raises(ConfigError, match="is neither a source URI such as sample:AAPL nor a fingerprint"):
            ask(about)
    assert opened.unknown is None


def test_processes_that_write_at_once_lose_no_row(ledger):
    """They make the file together too: each begins as soon as all are there."""
    tests = str(Path(__file__).parents[1])
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITE, tests, str(ledger), f"config {number}", str(ROWS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        _, said = writer.communicate(timeout=300)
        assert (writer.returncode, said) == (0, "")
    opened = Ledger.open()
    assert opened.count() == PROCESSES * ROWS
    found = [(each.config_id, each.seed) for each in opened.entries()]
    assert sorted(found) == sorted({(f"config {number}", seed) for number in range(PROCESSES) for seed in range(ROWS)})


def test_a_short_lock_is_waited_for(opened, ledger):
    opened.record(entry_of(seed=0))
    locking = subprocess.Popen(
        [
            sys.executable,
            "-c",
            LOCK,
            str(ledger),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with locking:
        assert locking.stdout.readline() == "held\n"
        began = time.monotonic()
        opened.record(entry_of(seed=1))
        assert time.monotonic() - began > 0.2
    assert opened.count() == 2


def test_a_ledger_that_stays_locked_is_unknown(opened, ledger, short):
    opened.record(entry_of())
    connection = sqlite3.connect(ledger, isolation_level=None)
    connection.execute("begin exclusive")
    try:
        late = Ledger.open()
        with pytest.raises(LedgerError, match="cannot be used: database is locked; repair it, or name another with"):
            late.record(entry_of(seed=1))
        assert late.count() is None
        assert "database is locked" in late.unknown
    finally:
        connection.rollback()
        connection.close()
    # What it could not be told of it does not know, and says so; whoever opens it anew counts what is there.
    assert (late.count(), late.looked(data_of()), late.sharpes()) == (None, None, None)
    assert Ledger.open().count() == 1


def unusable(tmp_path, kind):
    if kind == "not writable":
        (tmp_path / "file").write_text("")
        return str(tmp_path / "file" / "trials.db")
    if kind == "no ledger":
        (tmp_path / "prices.db").write_text("no database at all, but a long enough text to be looked at" * 20)
        return str(tmp_path / "prices.db")
    if kind == "read only":
        Ledger.open(tmp_path / "here.db").record(entry_of())
        return f"sqlite:///file:{tmp_path / 'here.db'}?mode=ro&uri=true"
    return {
        "no driver": "nosuch://somewhere/ledger",
        "in memory": "sqlite://",
        "no address": "sqlite+://x:y:z",
    }[kind]


@pytest.mark.parametrize("kind", ["not writable", "no ledger", "read only", "no driver", "in memory", "no address"])
def test_what_cannot_be_a_ledger_says_so_and_counts_nothing(tmp_path, kind, short):
    opened = Ledger.open(unusable(tmp_path, kind))
    with pytest.raises(LedgerError) as caught:
        opened.record(entry_of())
    assert "\n" not in str(caught.value)
    assert str(caught.value) == opened.unknown
    assert opened.count() is None
    with pytest.raises(LedgerError):
        opened.entries()


def test_a_ledger_that_may_only_be_read_is_read_where_it_is(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    url = unusable(tmp_path, "read only")
    assert Ledger.open(url).count() == 1
    assert list((tmp_path / "here").iterdir()) == []  # no folder is made of the URI


def test_a_newer_ledger_is_left_alone(opened, ledger):
    opened.record(entry_of())
    connection = sqlite3.connect(ledger)
    with connection:
        connection.execute("update ledger set schema_version = 2")
    connection.close()
    newer = Ledger.open()
    with pytest.raises(LedgerError, match="is of version 2, this version of dltrader knows 1; upgrade dltrader"):
        newer.record(entry_of(seed=1))
    assert newer.count() is None
    connection = sqlite3.connect(ledger)
    assert connection.execute("select count(*) from trials").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize(
    ("column", "value"), [("scores", "{"), ("scores", '{"luck": 1}'), ("uris", "[1]"), ("test_first", "soon")]
)
def test_a_damaged_row_is_named(opened, ledger, column, value):
    opened.record(entry_of(seed=0))
    opened.record(entry_of(seed=1))
    connection = sqlite3.connect(ledger)
    with connection:
        connection.execute(f"update trials set {column} = ? where id = 2", [value])
    connection.close()
    with pytest.raises(LedgerError, match=r"row 2 of the trial ledger .* is damaged: .*; remove the row"):
        Ledger.open().entries()
    assert Ledger.open().count() == 2


def test_a_ledger_that_is_off_keeps_nothing_and_knows_nothing(monkeypatch):
    monkeypatch.setenv("DLTRADER_LEDGER", "OFF")
    opened = Ledger.open()
    opened.record(entry_of())
    assert opened.off
    assert (opened.count(), opened.unknown) == (None, "the trial ledger is switched off (DLTRADER_LEDGER=off)")


def test_it_lies_in_the_data_directory_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("DLTRADER_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert default_file() == tmp_path / "dltrader" / "trials.db"
    assert Ledger.open().name == str(default_file())


def test_a_url_names_a_database_and_its_password_stays_unsaid(tmp_path):
    opened = Ledger.open(f"sqlite:///{tmp_path / 'deep' / 'down' / 'mine.db'}")
    opened.record(entry_of())
    assert (tmp_path / "deep" / "down" / "mine.db").is_file()
    assert opened.count() == 1
    other = Ledger.open("postgresql://me:secret@nowhere/ledger")
    assert "secret" not in f"{other.name} {other.unknown}"


def test_importing_the_package_and_its_help_load_no_database():
    script = (
        "import sys, json; import dltrader; from typer.testing import CliRunner; from dltrader.cli.app import app; "
        "code = CliRunner().invoke(app, ['--help']).exit_code; print(json.dumps([code, 'sqlalchemy' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [0, False]
