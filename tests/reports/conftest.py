"""One page for all tests that only read it."""

from __future__ import annotations

import pytest

from dltrader.reports.page import report_page
from dltrader.reports.render import to_html, to_markdown
from small_evaluations import small_evaluation

EVIL = "<script>alert('1')</script> & |co*"


@pytest.fixture(scope="session")
def page():
    return report_page(small_evaluation(name=EVIL))


@pytest.fixture(scope="session")
def html(page):
    return to_html(page)


@pytest.fixture(scope="session")
def markdown(page):
    return to_markdown(page)
