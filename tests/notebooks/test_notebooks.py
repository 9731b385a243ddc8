"""The notebooks do what they show: each is executed, from top to bottom, in a folder of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def execute(tmp_path_factory):
    """The notebook of a name, executed once, and the folder it ran in."""
    done = {}

    def run(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
            NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
            done[name] = notebook, folder
        return done[name]

    return run


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook):
    """What the cells of a notebook print, as one text."""
    return "".join(output.text for output in outputs(notebook) if output.get("name") == "stdout")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_without_a_warning_and_is_short(name, execute):
    notebook, _ = execute(name)
    assert len(notebook.cells) < 15
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "01_quickstart"])
def test_a_notebook_that_explains_leaves_nothing_behind_and_checks_what_it_says(name, execute):
    notebook, folder = execute(name)
    assert list(folder.iterdir()) == []
    assert sum(cell.source.count("\nassert ") for cell in notebook.cells if cell.cell_type == "code") >= 3


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_as_it_was_run_from_top_to_bottom_and_tells_nothing_of_the_machine(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    found = outputs(notebook)
    assert {output.output_type for output in found} <= {"execute_result", "stream"}
    texts = [output.text if output.output_type == "stream" else output.data["text/plain"] for output in found]
    assert [text for text in texts if re.search(r"/(home|root|tmp|Users|usr|var|work)/|0x[0-9a-f]{6}", text)] == []
    assert sum("image/png" in output.get("data", {}) for output in found) >= 1


def test_the_quick_start_shows_that_rewards_are_money_and_a_picture(execute):
    notebook, folder = execute("01_quickstart")
    shown = [output.data for output in outputs(notebook) if output.output_type == "execute_result"]
    texts = [data["text/plain"] for data in shown]
    rewards, growth = next(map(float, text.strip("()").split(",")) for text in texts if text.startswith("("))
    assert rewards == pytest.approx(growth, abs=1e-9)
    assert any("image/png" in data for data in shown)
    assert len(list(folder.glob("runs/*/policy/weights.safetensors"))) == 1


def test_the_environment_shows_rewards_that_are_the_growth_of_the_account_after_costs(execute):
    text = printed(execute("02_environment")[0])
    fills, paid, rewards = re.fullmatch(r"(\d+) fills, ([\d,]+) paid .* sum to (\S+)\n", text).groups()
    assert int(fills) > 100
    assert float(paid.replace(",", "")) > 10_000
    assert -2 < float(rewards) < -0.5


def test_the_walk_forward_finds_the_leak_counts_trials_and_promises_nothing(execute):
    text = printed(execute("04_walk_forward")[0])
    assert "hindsight at 2009-06-02 knows later bars" in text
    assert "buy-and-hold: the interval of the difference in log growth a year" in text
    assert "2 trials, in 8 entries" in text


def test_bring_your_own_names_the_broken_bar_and_the_feature_that_looks_ahead(execute):
    text = printed(execute("05_bring_your_own")[0])
    assert "row 99 (2003-05-20): high 1 is below low" in text
    assert "centred looks ahead" in text


def test_the_ensemble_answers_in_json_with_the_votes_of_all_its_models(execute):
    answer = json.loads(printed(execute("06_ensemble")[0]))
    assert answer["models_used"] == ["lgb_5d", "lgb_15d", "lstm", "ppo"]
    for model in answer["models_used"]:
        assert sum(answer[f"{model}_{side}_prob"] for side in ("buy", "sell", "hold")) == pytest.approx(1.0)
    assert 0.5 < answer["confidence_score"] <= 1.0
