from __future__ import annotations

import io
import math
import re

import pytest
from rich.console import Console

from dltrader.agents.learning import Rollout
from dltrader.workflows.jobs import Job, Outcome
from dltrader.workflows.progress import JobsProgress, TrainingProgress


def rollout(steps, growth):
    return Rollout(
        steps=steps,
        bars_per_second=1092.4,
        episode_growth=growth,
        policy_entropy=1.0,
        value_loss=0.1,
        learning_rate=1e-3,
        network=None,
    )


def shown(title, *rollouts, width=80):
    out = io.StringIO()
    progress = TrainingProgress(title, 10_000, console=Console(file=out, width=width, force_terminal=False))
    with progress:
        for each in rollouts:
            progress.show(each)
    return out.getvalue()


def test_the_line_says_how_far_how_fast_and_how_well():
    (line,) = shown("ppo_attention", rollout(5_000, -0.1234)).splitlines()
    assert line.startswith("ppo_attention ")
    assert re.search(r" 50% 1,092 bars/s growth -0.123 ", line)


def test_growth_is_left_out_until_an_episode_has_ended():
    line = shown("ppo", rollout(5_000, math.nan))
    assert "growth" not in line
    assert "1,092 bars/s" in line
    assert "growth +0.500" in shown("ppo", rollout(5_000, 0.5), rollout(6_000, math.nan))


@pytest.mark.parametrize("title", ["ppo_attention", "a_name_that_goes_on_and_on_for_longer_than_anyone_needs"])
def test_it_is_one_line_of_80_columns(title):
    (line,) = shown(title, rollout(9_999, -0.1234)).rstrip("\n").splitlines()
    assert len(line) <= 80
    assert "growth -0.123" in line
    assert re.search(r"(\d:)?\d\d:\d\d|-:--:--", line)
    assert title[:19] in line


def test_it_stops_showing_when_the_training_fails():
    out = io.StringIO()
    progress = TrainingProgress("ppo", 100, console=Console(file=out, force_terminal=True, width=80))
    with pytest.raises(ZeroDivisionError), progress:
        raise ZeroDivisionError
    assert out.getvalue().endswith("\x1b[?25h")  # the cursor is back


def test_of_many_jobs_it_is_shown_how_many_are_done_and_running(tmp_path):
    out = io.StringIO()
    jobs = [Job(str(i), print, None, tmp_path / "log") for i in range(3)]
    with JobsProgress(3, console=Console(file=out, width=80, force_terminal=False)) as progress:
        for job in jobs:
            progress.started(job)
        progress.ended(Outcome(jobs[1], "finished", 1.0))
        progress.ended(Outcome(jobs[0], "killed", 1.0))
    assert " 2/3 done, 1 running, 1 did not finish 0:00:0" in " ".join(out.getvalue().split())
