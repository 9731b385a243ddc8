from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from html.parser import HTMLParser

import pandas as pd
import pytest

from dltrader.errors import MissingExtraError
from dltrader.files import write_json
from dltrader.reports import render
from dltrader.reports.page import SECTIONS, report_page
from dltrader.reports.render import to_html, to_markdown
from small_evaluations import STATISTICS, small_evaluation

EXEMPT = {"data", "time", "bdi", "pre", "svg", "script", "style", "title"}
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Reader(HTMLParser):
    """Collects marked numbers, and the text that is neither marked nor a date, a name, a source or a chart."""

    def __init__(self, html):
        super().__init__()
        self.open, self.marked, self.loose, self.ids, self.tags = [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.tags.append((tag, known))
        self.ids += [known["id"]] if "id" in known else []
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self.marked.append([known["data-key"], known["value"], ""])

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text):
        if "data" in self.open:
            self.marked[-1][2] += text
        elif not EXEMPT & set(self.open):
            self.loose.append(text)


@pytest.fixture(scope="module")
def read(html):
    return Reader(html)


def test_every_number_of_the_page_is_in_the_json_and_the_other_way_round(page, read, tmp_path):
    write_json(tmp_path / "metrics.json", {"numbers": dict(page.numbers)})
    kept = json.loads((tmp_path / "metrics.json").read_text())["numbers"]
    assert len(read.marked) > 300
    for key, value, text in read.marked:
        assert key in kept
        assert (None if value == "" else float(value)) == kept[key], key
        assert text
    assert {key for key, _, _ in read.marked} == set(kept)


def test_no_number_of_the_page_is_unmarked(read):
    loose = [text for text in read.loose if re.search(r"(?<![\w])[+\-\N{MINUS SIGN}]?\d", text)]
    assert loose == []


def test_the_numbers_are_those_of_the_evaluation(page):
    evaluation = small_evaluation()
    assert page.numbers["summary.sharpe"] == evaluation.summary["sharpe"]["estimate"]
    assert page.numbers["summary.sharpe.high"] == evaluation.summary["sharpe"]["high"]
    assert page.numbers["seeds.2.growth"] == evaluation.seeds[2]["growth"]
    assert page.numbers["costs.break_even"] == pytest.approx(7.25e-4)
    assert page.numbers["statistics.dsr"] == evaluation.statistics["dsr"]["value"]
    assert page.numbers["equity.buy_and_hold.end"] == evaluation.equity["buy_and_hold"].iloc[-1]
    assert math.isnan(page.numbers["statistics.pbo"])


def test_the_twin_has_the_same_numbers_in_the_same_order(markdown, read):
    place = 0
    for key, _, text in read.marked:
        found = markdown.find(text, place)
        assert found >= 0, f"{key} {text}"
        place = found + len(text)


def test_every_section_stands_in_its_order_with_the_verdict_first(page, read, html):
    ids = [section.id for section in page.sections]
    assert ids[0] == "verdict"
    assert len(ids) == len(SECTIONS)
    assert [one for one in read.ids if one in ids] == ids
    assert html.count('<a href="#') == len(ids)
    assert "Indistinguishable from buy-and-hold" in html[: html.index('id="equity"')]


def test_names_cannot_bring_markup(html, markdown):
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; |co*" in html
    assert "A<i>" not in re.sub(r"<pre.*?</pre>", "", html, flags=re.S)
    assert "<script" not in markdown
    assert r"\|co\*" in markdown.splitlines()[0]


def test_the_page_asks_the_network_for_nothing(html, read):
    assert "default-src 'none'" in html
    assert re.findall(r"(?:src|href)=[\"'](?!#|data:)[^\"']*", html) == []
    assert "url(" not in html
    assert "@import" not in html
    assert len(html.encode()) < 3_000_000


def test_the_page_is_marked_up_for_those_who_hear_it(read):
    tags = [tag for tag, _ in read.tags]
    assert (tags.count("h1"), tags.count("main"), tags.count("nav")) == (1, 1, 1)
    assert len(read.ids) == len(set(read.ids))
    assert tags.count("caption") == tags.count("table") >= 8
    assert all("scope" in known for tag, known in read.tags if tag == "th")
    drawings = [known for tag, known in read.tags if known.get("role") == "img"]
    assert len(drawings) >= 8
    assert all(known["aria-label"] for known in drawings)


def test_every_statistic_says_what_it_means(html):
    for name in STATISTICS:
        if name != "pbo":
            assert f"hat {name} means at" in html
    assert "Not known: <data" in html


def test_one_seed_has_no_band_and_no_interval():
    page = report_page(small_evaluation(seeds=1, folds=False))
    html = to_html(page)
    assert "interquartile mean of" not in html
    assert "band-0" not in re.sub(r"<style.*?</style>", "", html, flags=re.S)
    assert "folds" not in [section.id for section in page.sections]
    assert page.numbers["about.median_seed"] == 0
    assert Reader(html).open == []


def test_a_policy_that_never_traded_has_a_page():
    evaluation = small_evaluation(seeds=1)
    evaluation = dataclasses.replace(evaluation, orders=evaluation.orders.iloc[:0], trades=evaluation.trades.iloc[:0])
    evaluation.position[:] = 0.0
    evaluation.equity["seed-0"] = 100_000.0
    html = to_html(report_page(evaluation))
    assert "Its returns never varied" in html
    assert "excursions" not in Reader(html).ids


def test_unknown_trials_are_said_to_be_unknown():
    html = to_html(report_page(small_evaluation(trials=None)))
    assert "trials behind it: unknown" in html


def test_the_same_evaluation_gives_the_same_page(page, html, markdown):
    again = report_page(small_evaluation(name=page.title))
    assert to_html(again) == html
    assert to_markdown(again) == markdown


def test_without_jinja_the_extra_is_named(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    render._environment.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install \"dltrader\[report\]\""):
        to_html(page)
    monkeypatch.undo()
    render._environment.cache_clear()


def test_sources_cannot_end_their_fence():
    evaluation = small_evaluation(config={"note": "```\n# not a heading"})
    lines = to_markdown(report_page(evaluation)).splitlines()
    assert "````yaml" in lines


def test_folds_say_what_they_saw_and_what_came_of_them(page, markdown):
    assert page.numbers["folds.1.1.growth"] == 0.25
    assert math.isnan(page.numbers["folds.2.0.growth"])
    assert "| 1 | 2000-01-01 to 2000-12-29 | 2000-12-31 to 2001-01-30 | 2001-02-01 to 2001-03-01 |" in markdown
    assert "| failed, never traded |" in markdown


def test_a_ruined_account_has_a_page():
    evaluation = small_evaluation(seeds=1)
    evaluation.equity.iloc[40:, 0] = 0.0
    page = report_page(evaluation)
    assert page.numbers["equity.end"] == 0.0
    assert page.numbers["drawdown.self"] == -1.0
    assert Reader(to_html(page)).open == []


def test_every_instrument_of_a_portfolio_has_its_chart():
    evaluation = small_evaluation(instruments=["A<i>", "B", "C", "D", "E", "F"])
    bars = [evaluation.bars.assign(instrument=name) for name in evaluation.about["instruments"]]
    position = pd.DataFrame(dict.fromkeys(evaluation.about["instruments"], evaluation.position["A<i>"]))
    page = report_page(dataclasses.replace(evaluation, bars=pd.concat(bars), position=position))
    html = to_html(page)
    assert html.count('<figure class="picture" data-zoom=') == 4
    assert len(set(re.findall(r'data-zoom="([^"]+)"', html))) == 4
    assert page.numbers["about.instruments"] == 6
    assert page.numbers["trades.B.buys"] == 0


def test_bars_of_minutes_have_a_page():
    evaluation = small_evaluation(seeds=2, start="2024-03-04 14:30:00+00:00", end="2024-03-04 19:29:00+00:00")
    index = pd.date_range("2024-03-04 14:30", periods=300, freq="min", tz="UTC", name="time")
    moved = dict(zip(evaluation.equity.index, index, strict=True))
    tables = {name: getattr(evaluation, name).set_axis(index) for name in ("equity", "exposure", "position")}
    tables["orders"] = evaluation.orders.assign(time=evaluation.orders["time"].map(moved))
    times = {name: evaluation.trades[name].map(moved) for name in ("opened_at", "closed_at")}
    tables["trades"] = evaluation.trades.assign(**times)
    tables["bars"] = evaluation.bars.assign(time=index)
    html = to_html(report_page(dataclasses.replace(evaluation, **tables)))
    assert "<time>2024-03-04 14:30</time> to <time>2024-03-04 19:29</time>" in html
    assert ">15:00</text>" in html
