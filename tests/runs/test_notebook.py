from __future__ import annotations

import json

from dltrader.runs import ExperimentConfig, Run
from small_runs import experiment


def test_a_run_shows_itself_in_a_notebook(tmp_path):
    config = ExperimentConfig.from_mapping(experiment({"name": "shown"}))
    run = Run.create(tmp_path / "<b>", config, data_sha256="0" * 64)
    assert "shown" in run._repr_html_()
    assert "<b>shown" in run._repr_html_()
    assert "/&lt;b&gt;, running" in run._repr_html_()
    assert "<table" not in run._repr_html_()
    (run.path / "backtest").mkdir()
    metrics = {"metrics": {"sharpe": 1.234, "total_return": None}, "buy_and_hold": {"sharpe": 0.5}}
    (run.path / "backtest" / "metrics.json").write_text(json.dumps(metrics))
    (run.path / "backtest" / "equity.csv").write_text("time,equity,buy_and_hold\n1,100,100\n2,110,90\n")
    shown = run._repr_html_()
    assert ">1.23<" in shown
    assert ">0.50<" in shown
    assert shown.count("<polyline") == 2
