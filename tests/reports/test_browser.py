"""The page in a real browser: nothing on the console, nothing from the network, nothing beyond its edges."""

from __future__ import annotations

import os
import shutil
from importlib import import_module

import pytest

from dltrader.reports.comparison import Compared, comparison_page
from dltrader.reports.render import to_html
from small_evaluations import small_evaluation

REQUIRED = os.environ.get("DLTRADER_BROWSER_REQUIRED") == "1"
sync_api = import_module("playwright.sync_api") if REQUIRED else pytest.importorskip("playwright.sync_api")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LUMINANCE = """selector => {
    const style = getComputedStyle(document.querySelector(selector));
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const light = colour => {
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
            .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    };
    return [light(style.color), light(getComputedStyle(document.body).backgroundColor)];
}"""


@pytest.fixture(scope="module")
def browser():
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        if REQUIRED:
            pytest.fail(f"none of {', '.join(BROWSERS)} is installed, and DLTRADER_BROWSER_REQUIRED is 1")
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        # As root, and in most containers, Chromium has no sandbox to run in.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(html, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    runs = [Compared(name, folder / name, small_evaluation(name=name, seeds=n)) for name, n in (("a", 2), ("b", 3))]
    texts = {"report": html, "comparison": to_html(comparison_page(runs))}
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture
def visit(browser, files):
    """Opens a page and, at the end, sees that it said nothing and asked for nothing."""
    opened, said, asked = [], [], []

    def open_page(name="report", width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        opened.append(context)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(files[name])
        return page

    yield open_page
    for context in opened:
        context.close()
    assert said == []
    assert [url for url in asked if url not in files.values() and not url.startswith("data:")] == []


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("report", 1280, "light"),
        ("report", 1280, "dark"),
        ("report", 390, "light"),
        ("report", 390, "dark"),
        ("comparison", 1280, "dark"),
        ("comparison", 390, "light"),
    ],
)
def test_a_page_fits_its_window(visit, name, width, scheme):
    page = visit(name, width, color_scheme=scheme)
    inside, outside = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert inside <= outside == width
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('main text')].filter(t => t.getClientRects().length)"
        ".map(t => parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getBoundingClientRect().width"
        " / t.ownerSVGElement.viewBox.baseVal.width))"
    )
    assert smallest >= 10.5  # pixels of a word in a chart
    dark = page.evaluate(LUMINANCE, "body")[1] < 0.1
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_paper(visit, scheme):
    page = visit(color_scheme=scheme)
    for selector in ("body", ".facts", ".caption", ".lead", "nav a", "thead th", ".ends", ".theme"):
        ink, paper = sorted(page.evaluate(LUMINANCE, selector), reverse=True)
        assert (ink + 0.05) / (paper + 0.05) >= 4.5, selector


def test_the_reader_chooses_light_or_dark(visit):
    page = visit(color_scheme="light")
    before = page.evaluate(LUMINANCE, "body")[1]
    page.click(".theme")
    assert page.evaluate(LUMINANCE, "body")[1] < 0.1 < before
    page.click(".theme")
    assert page.evaluate(LUMINANCE, "body")[1] == before


def test_a_dragged_stretch_is_shown_and_a_double_click_shows_all(visit):
    page = visit()
    chart = page.locator("figure[data-zoom] .wide svg")
    chart.scroll_into_view_if_needed()
    view = chart.locator(".view")
    whole = view.inner_html()
    box = chart.bounding_box()
    y = box["y"] + 100
    page.mouse.move(box["x"] + 300, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 420, y, steps=4)
    page.mouse.up()
    assert view.inner_html() != whole
    assert 20 < chart.locator(".candle").count() < 160  # few enough bars are drawn as candles
    page.mouse.move(box["x"] + 360, y)
    assert "close" in page.locator(".tools output").inner_text()
    chart.dblclick(position={"x": 360, "y": 100})
    assert view.inner_html() == whole


def test_wheel_keys_and_buttons_zoom(visit):
    page = visit()
    chart = page.locator("figure[data-zoom] .wide svg")
    chart.scroll_into_view_if_needed()
    view, drawing = chart.locator(".view"), page.locator("figure[data-zoom] .drawing")
    whole = view.inner_html()
    drawing.focus()
    page.keyboard.press("+")
    closer = view.inner_html()
    assert closer != whole
    page.keyboard.press("ArrowRight")
    assert view.inner_html() not in {closer, whole}
    page.keyboard.press("0")
    assert view.inner_html() == whole
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 400, box["y"] + 100)
    page.mouse.wheel(0, -300)
    page.wait_for_function("([e, w]) => e.innerHTML !== w", arg=[view.element_handle(), whole])
    page.get_by_role("button", name="Show all").click()
    assert view.inner_html() == whole


def test_the_wheel_scrolls_the_page_until_a_chart_is_chosen(visit):
    page = visit()
    chart = page.locator("figure[data-zoom] .wide svg")
    chart.scroll_into_view_if_needed()
    whole = chart.locator(".view").inner_html()
    box, before = chart.bounding_box(), page.evaluate("scrollY")
    page.mouse.move(box["x"] + 400, box["y"] + 100)
    page.mouse.wheel(0, 200)
    page.wait_for_function("before => scrollY > before", arg=before)
    assert chart.locator(".view").inner_html() == whole


def test_fingers_zoom_the_narrow_chart(visit):
    page = visit(width=390, height=844, has_touch=True)
    chart = page.locator("figure[data-zoom] .narrow svg")
    chart.scroll_into_view_if_needed()
    whole = chart.locator(".view").inner_html()
    drag = """([svg, from, to]) => {
        const box = svg.getBoundingClientRect();
        const finger = {pointerId: 7, pointerType: "touch", isPrimary: true, bubbles: true};
        const at = x => ({...finger, clientX: box.left + x, clientY: box.top + 60});
        svg.setPointerCapture = () => {};
        svg.dispatchEvent(new PointerEvent("pointerdown", at(from)));
        svg.dispatchEvent(new PointerEvent("pointermove", at(to)));
        svg.dispatchEvent(new PointerEvent("pointerup", at(to)));
    }"""
    page.evaluate(drag, [chart.element_handle(), 120, 220])
    assert chart.locator(".view").inner_html() != whole
    page.get_by_role("button", name="Show all").tap()
    assert chart.locator(".view").inner_html() == whole


def test_the_page_is_complete_without_a_script(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("button").count() == 0
    assert page.locator("figure[data-zoom] .wide svg .price").count() == 1
    assert page.locator("figure[data-zoom] .wide svg .buy").count() > 3
    assert page.locator("main > section").count() >= 13


def test_paper_gets_everything_in_light_colours(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate(LUMINANCE, "body")[1] > 0.9
    assert page.locator("nav").is_hidden()
    assert page.locator(".theme").is_hidden()
    assert page.locator("pre").first.is_visible()
