"""The notebooks do what they show: each is executed, from top to bottom, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"


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


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.ipynb")))
def test_a_notebook_runs_without_a_warning_and_is_short(name, execute):
    notebook, _ = execute(name)
    assert len(notebook.cells) < 15
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []


def test_the_quick_start_shows_that_rewards_are_money_and_a_picture(execute):
    notebook, folder = execute("01_quickstart")
    shown = [output.data for output in outputs(notebook) if output.output_type == "execute_result"]
    texts = [data["text/plain"] for data in shown]
    rewards, growth = next(map(float, text.strip("()").split(",")) for text in texts if text.startswith("("))
    assert rewards == pytest.approx(growth, abs=1e-9)
    assert any("image/png" in data for data in shown)
    assert len(list(folder.glob("runs/*/policy/weights.safetensors"))) == 1
