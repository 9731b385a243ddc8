from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

import small_jobs
from dltrader.errors import ConfigError
from dltrader.workflows import processes
from dltrader.workflows.jobs import Job
from dltrader.workflows.processes import Processes


def job(folder, function, argument=None, name=None, **more):
    name = name or function.__name__
    return Job(name, function, argument, folder / f"{name}.log", **more)


def run(jobs, at_once=2, **more):
    return {outcome.job.name: outcome for outcome in Processes().run(jobs, at_once=at_once, **more)}


def wait_for(path):
    until = time.monotonic() + 30
    while not path.is_file():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_job_ends_as_it_does_and_the_others_go_on(tmp_path, monkeypatch):
    (tmp_path / "small_plugin.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, "argv", ["dltrader", "train"])
    jobs = [
        job(tmp_path, small_jobs.kill_itself),
        job(tmp_path, small_jobs.leave, 3),
        job(tmp_path, small_jobs.complain, "two\nlines"),
        job(tmp_path, small_jobs.settings, {"a": 1}),
    ]
    begun = []
    found = run(jobs, plugins=["small_plugin"], started=lambda one: begun.append(one.name))
    assert begun == [one.name for one in jobs]
    assert {name: (outcome.status, outcome.error) for name, outcome in found.items()} == {
        "kill_itself": ("killed", "its process was killed by SIGKILL, perhaps for want of memory"),
        "leave": ("failed", "its process ended with exit code 3 before the call returned"),
        "complain": ("failed", "ValueError: two lines"),
        "settings": ("finished", None),
    }
    assert found["settings"].value == ({"a": 1}, ["dltrader", "train"], "1", True)
    assert (tmp_path / "leave.log").read_text() == "before it left\n"
    log = (tmp_path / "complain.log").read_text().splitlines()
    assert (log[0], log[1], log[-1]) == ("before it failed", "Traceback (most recent call last):", "lines")
    assert all(0 < outcome.seconds < 60 for outcome in found.values())


def test_a_job_that_hangs_is_ended_and_its_log_says_where(tmp_path):
    # Ten times what the process takes to begin.
    outcome = run([job(tmp_path, small_jobs.hang_here, 120)], time_limit=3)["hang_here"]
    assert (outcome.status, outcome.error) == ("timed out", "it took longer than 3 seconds")
    assert 3 < outcome.seconds < 30
    assert "in hang_here" in (tmp_path / "hang_here.log").read_text()


def test_a_plugin_that_is_not_there_is_an_error_of_the_job(tmp_path):
    outcome = run([job(tmp_path, small_jobs.settings)], plugins=["no_such_module"])["settings"]
    assert (outcome.status, outcome.error) == ("failed", "ModuleNotFoundError: No module named 'no_such_module'")


def test_closing_lets_jobs_keep_what_they_have_and_ends_those_that_do_not_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_SECONDS", 2.0)
    polite, deaf = tmp_path / "polite", tmp_path / "deaf"
    for folder in (polite, deaf):
        folder.mkdir()
    jobs = [
        job(tmp_path, small_jobs.settings, name="first"),
        job(tmp_path, small_jobs.wait_for_ctrl_c, str(polite)),
        job(tmp_path, small_jobs.ignore_ctrl_c, str(deaf)),
        job(tmp_path, small_jobs.settings, name="last"),
    ]
    running = Processes().run(jobs, at_once=3)
    assert next(running).job.name == "first"
    for folder in (polite, deaf):
        wait_for(folder / "begun")
    running.close()
    assert (polite / "kept").is_file()
    assert not psutil.pid_exists(int((deaf / "begun").read_text()))
    assert not (tmp_path / "last.log").exists()


def test_no_worker_outlives_the_process_that_started_it(tmp_path):
    script = """
        import os, sys, threading, time
        from pathlib import Path
        import small_jobs
        from dltrader.workflows.jobs import Job
        from dltrader.workflows.processes import Processes

        def leave():
            while not Path(sys.argv[1], "begun").read_text():
                time.sleep(0.02)
            os._exit(9)

        Path(sys.argv[1], "begun").touch()
        threading.Thread(target=leave).start()
        list(Processes().run([Job("deaf", small_jobs.ignore_ctrl_c, sys.argv[1], Path(sys.argv[1], "log"))], at_once=1))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        check=False,
        timeout=60,
        # It leaves its temporary folder behind, as whoever is killed does.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 9
    worker = int((tmp_path / "begun").read_text())
    until = time.monotonic() + 20
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_jobs_that_do_not_fit_into_memory_together_are_refused_and_the_number_that_fits_is_named(tmp_path, monkeypatch):
    sizes = [1, 2, 3, 4]
    jobs = [job(tmp_path, small_jobs.settings, name=str(size), bytes_needed=size * 2**30) for size in sizes]
    monkeypatch.setattr(processes, "free_bytes", lambda: 7 * 2**30)
    Processes().require(jobs, 2)
    message = r"^4 jobs at once take about 10.0 GiB, and 7.0 GiB are free; at most --jobs 2 fits$"
    with pytest.raises(ConfigError, match=message):
        Processes().require(jobs, 4)
    monkeypatch.setattr(processes, "free_bytes", lambda: 2**29)
    with pytest.raises(ConfigError, match="at most --jobs 1 fits"):
        Processes().require(jobs, 2)
    Processes().require(jobs, 1)  # what a plain training would try, too
