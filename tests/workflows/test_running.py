from __future__ import annotations

import pytest

from dltrader.errors import ConfigError
from dltrader.workflows.jobs import Job
from dltrader.workflows.running import ThisProcess, outcomes_of, require_numbers


def doubled(number):
    if number < 0:
        raise ConfigError(f"{number} is negative")
    if number == 0:
        raise ZeroDivisionError("by\nnought")
    return 2 * number


def outcomes(numbers, tmp_path):
    jobs = [Job(str(number), doubled, number, tmp_path / f"{number}.log") for number in numbers]
    return outcomes_of(jobs, ThisProcess(), at_once=1, time_limit=None, plugins=(), bar=None)


def test_what_is_raised_on_purpose_is_an_outcome_and_the_next_goes_on(tmp_path):
    found = [(one.job.name, one.status, one.value, one.error) for one in outcomes([1, -1, 3], tmp_path)]
    assert found == [
        ("1", "finished", 2, None),
        ("-1", "failed", None, "ConfigError: -1 is negative"),
        ("3", "finished", 6, None),
    ]


def test_what_was_not_meant_is_one_too_and_its_log_says_where_it_was_raised(tmp_path):
    found = [(one.status, one.value, one.error) for one in outcomes([1, 0, 3], tmp_path)]
    assert found == [("finished", 2, None), ("failed", None, "ZeroDivisionError: by nought"), ("finished", 6, None)]
    assert [file.name for file in tmp_path.iterdir()] == ["0.log"]
    assert "in doubled" in (tmp_path / "0.log").read_text()


@pytest.mark.parametrize(
    ("jobs", "limit", "message"),
    [(0, None, "--jobs must be at least 1, was 0"), (1, 0.0, "--time-limit must be above 0 seconds, was 0")],
)
def test_numbers_out_of_range_are_refused(jobs, limit, message):
    with pytest.raises(ConfigError, match=message):
        require_numbers(jobs, limit)
    require_numbers(1, 0.5)
