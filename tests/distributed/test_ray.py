"""On a real Ray of this machine, started here with two CPUs and ended with the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib import import_module

import psutil
import pytest

import small_jobs
from dltrader.errors import ConfigError, MissingExtraError
from dltrader.files import sha256_of
from dltrader.runs import ExperimentConfig
from dltrader.workflows.jobs import Job
from dltrader.workflows.many import train_many
from dltrader.workflows.train import train
from small_runs import experiment

pytest.importorskip("ray", reason="Ray has no wheel for this Python")

from dltrader.distributed import ray as on_ray
from dltrader.distributed.ray import RayCluster

# In a process of its own: what Ray leaves open or warns of at its end is not ours.
HEAD = """
import sys
import ray
context = ray.init(
    num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, _memory=4 * 2**30, _temp_dir=sys.argv[1],
    logging_level="ERROR",
)
print(context.address_info["address"], flush=True)
sys.stdin.read()
ray.shutdown()
"""
ALONE = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}


@pytest.fixture(scope="module")
def address():
    """Where the cluster answers."""
    folder = tempfile.mkdtemp(prefix="ray")  # a short path: the names of sockets have 107 letters
    before = {name: os.environ.get(name) for name in ALONE}
    os.environ.update(ALONE)
    head = subprocess.Popen(
        [sys.executable, "-c", HEAD, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    family = []
    try:
        with head.stdout, head.stdin:
            yield head.stdout.readline().strip()
            family = psutil.Process(head.pid).children(recursive=True)
        head.wait(timeout=30)
    finally:
        head.kill()
        head.wait()
        for each in family:
            if each.is_running():
                each.kill()
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture(scope="module")
def cluster(address):
    """A connection."""
    with RayCluster(address) as connected:
        yield connected


def job(folder, function, argument=None, name=None, **more):
    name = name or function.__name__
    return Job(name, function, argument, folder / f"{name}.log", **more)


def wait_for(path):
    until = time.monotonic() + 60
    while not path.is_file():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_job_ends_as_it_does_and_the_others_go_on(cluster, tmp_path, monkeypatch):
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
    running = cluster.run(jobs, at_once=2, plugins=["small_plugin"], started=lambda one: begun.append(one.name))
    found = {outcome.job.name: outcome for outcome in running}
    assert begun == [one.name for one in jobs]
    assert {name: (outcome.status, outcome.error) for name, outcome in found.items()} == {
        "kill_itself": ("killed", "its process was killed by SIGKILL, perhaps for want of memory"),
        "leave": ("failed", "its process ended with exit code 3 before the call returned"),
        "complain": ("failed", "ValueError: two lines"),
        "settings": ("finished", None),
    }
    assert found["settings"].value == ({"a": 1}, ["dltrader", "train"], "1", True)
    assert found["settings"].job is jobs[3]
    assert (tmp_path / "leave.log").read_text() == "before it left\n"
    assert (tmp_path / "complain.log").read_text().startswith("before it failed\nTraceback (most recent call last):")
    assert all(0 < outcome.seconds < 60 for outcome in found.values())


def test_a_job_whose_ray_worker_is_killed_is_killed(cluster, tmp_path):
    running = cluster.run([job(tmp_path, small_jobs.ignore_ctrl_c, str(tmp_path))], at_once=1, started=lambda _: None)
    # The generator begins when it is asked, and so it is asked elsewhere.
    ender = subprocess.Popen([sys.executable, "-c", KILL_PARENT, str(tmp_path / "begun")], stdout=subprocess.DEVNULL)
    (outcome,) = running
    assert ender.wait() == 0
    assert outcome.status == "killed"
    assert outcome.error.startswith("Ray lost its worker, ")
    worker = int((tmp_path / "begun").read_text())
    until = time.monotonic() + 20
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until  # it ends with the one who started it
        time.sleep(0.05)


KILL_PARENT = """
import sys, time
from pathlib import Path
import psutil
while not (Path(sys.argv[1]).is_file() and Path(sys.argv[1]).read_text()):
    time.sleep(0.05)
psutil.Process(int(Path(sys.argv[1]).read_text())).parent().kill()
"""


def test_a_job_that_hangs_is_ended_and_its_log_says_where(cluster, tmp_path):
    (outcome,) = cluster.run([job(tmp_path, small_jobs.hang_here, 120)], at_once=1, time_limit=3)
    assert (outcome.status, outcome.error) == ("timed out", "it took longer than 3 seconds")
    assert "in hang_here" in (tmp_path / "hang_here.log").read_text()


def test_closing_lets_jobs_keep_what_they_have(cluster, tmp_path):
    jobs = [
        job(tmp_path, small_jobs.settings, name="first"),
        job(tmp_path, small_jobs.wait_for_ctrl_c, str(tmp_path)),
        job(tmp_path, small_jobs.settings, name="last"),
    ]
    running = cluster.run(jobs[::2] + jobs[1:2], at_once=2)
    assert {next(running).job.name, next(running).job.name} == {"first", "last"}
    wait_for(tmp_path / "begun")
    running.close()
    assert (tmp_path / "kept").is_file()


def test_a_training_gives_the_same_as_without_ray(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ExperimentConfig.load(experiment())
    (there,) = train_many([small], out="runs", executor=cluster)  # a relative folder
    assert (there.status, there.error) == ("finished", None)
    here = train(small, out=tmp_path / "here")
    assert len({sha256_of(run.path / "policy" / "weights.safetensors") for run in (there.run, here)}) == 1
    assert there.validation_growth == here.manifest["best"]["validation_growth"]


def test_more_than_the_cluster_has_is_refused(cluster, tmp_path):
    small = job(tmp_path, small_jobs.settings, bytes_needed=2**30)
    cluster.require([small] * 2, 2)
    with pytest.raises(ConfigError, match=r"a job takes 1 CPU, 1\.0 GiB, .* at most --jobs 2 fits, was 3$"):
        cluster.require([small] * 3, 3)
    large = job(tmp_path, small_jobs.settings, bytes_needed=3 * 2**30)
    with pytest.raises(ConfigError, match=r"a job takes 1 CPU, 3\.0 GiB, .* at most --jobs 1 fits, was 2$"):
        cluster.require([small, large], 2)
    for more, words in (({"threads": 3}, "3 CPU, 0.0 GiB"), ({"gpu": True}, "1 CPU, 0.0 GiB and a GPU")):
        with pytest.raises(ConfigError, match=f"a job takes {words}, and no machine of the Ray cluster .* has that"):
            cluster.require([job(tmp_path, small_jobs.settings, **more)], 1)


def test_a_machine_that_does_not_share_the_folder_says_so(tmp_path):
    status, _, value, error = on_ray._work("job", b"", "job.log", str(tmp_path / "elsewhere"), None)
    assert (status, value) == ("failed", None)
    assert error.startswith(f"{socket.gethostname()} cannot write job.log in {tmp_path}/elsewhere: No such file")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("somewhere", "--ray must be auto, HOST:PORT or ray://HOST:PORT, was 'somewhere'"),
        ("host:99999", "--ray must be auto, HOST:PORT or ray://HOST:PORT, was 'host:99999'"),
        ("127.0.0.1:1", "cannot reach a Ray cluster at 127.0.0.1:1: Connection refused; start one with `ray start"),
        ("ray://127.0.0.1:1", "cannot reach a Ray cluster at ray://127.0.0.1:1: Connection refused; start one with"),
    ],
)
def test_an_address_that_does_not_answer_is_refused_at_once(address, message, monkeypatch):
    monkeypatch.setattr(on_ray.ray, "is_initialized", lambda: False)
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught, RayCluster(address):
        pass
    assert str(caught.value).startswith(message)
    assert time.monotonic() - began < 5


def test_the_address_of_the_environment_is_meant_by_auto(monkeypatch):
    monkeypatch.setattr(on_ray.ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConfigError, match="cannot reach a running Ray cluster: Connection refused"), RayCluster("auto"):
        pass


def test_what_answers_and_is_no_ray_is_refused_in_time(monkeypatch):
    monkeypatch.setattr(on_ray.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(on_ray, "TRIAL_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with (
            pytest.raises(ConfigError, match="nothing that speaks as Ray does answered in 1 seconds"),
            RayCluster(address),
        ):
            pass


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, on_ray.__name__)
    with pytest.raises(MissingExtraError, match=r'^Ray is not installed; run: pip install "dltrader\[ray\]"$'):
        import_module(on_ray.__name__)
