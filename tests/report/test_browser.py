"""A report in a real browser: sorting, filtering, tooltips, small screens, print, no scripts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from entbench._records import SuiteRun
from entbench.report.html import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
if CHROMIUM is None:
    pytest.skip("needs Chromium", allow_module_level=True)

ARGUMENTS = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>\"'>\x1b"
ERRORS = "#errors-table"
SIZES = range(10, 1010, 10)
PAGES = ("small", "long", "hostile")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(
    run_of: Callable[..., SuiteRun],
    together: Callable[..., SuiteRun],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Reports of made-up runs: a few rows and a figure; 300 rows; names that would be markup."""
    rng = np.random.default_rng(0)

    def run(name: str, sizes: Any, scale: float, **more: Any) -> SuiteRun:
        values = {n: list(scale * (1.0 + 0.1 * rng.standard_normal(3))) for n in sizes}
        return run_of(values, name, **more)

    sources = [{"source": "made-up", "source_params": {"d": d}} for d in (1, 2)]
    small = together(
        run("sp", (100, 900), 0.01, figures=["error-vs-n"], checks=["plug-in-bias"], **sources[0]),
        run("kl", (100, 900), 0.2, **sources[0]),
        run("sp", (100, 900), 1e-5, **sources[1]),
        run("kl", (100, 900), 30.0, **sources[1]),
        run_of({100: [1.0, None, None], 900: [None] * 3}, "kde", **sources[1]),
    )
    names = ("sp", "kl", "kde")
    long = together(*(run(name, SIZES, 0.1, figures=["error-vs-n"]) for name in names))
    params = {"note": HOSTILE}
    bad = run("kl", (100, 900), 0.1, estimator_params=params, figures=["error-vs-n"])
    records = [replace(record, message=HOSTILE) for record in bad.records]
    info = replace(bad.info, command=HOSTILE, versions={HOSTILE: HOSTILE})
    bad = replace(bad, suite=HOSTILE, records=tuple(records), info=info)
    folder = tmp_path_factory.mktemp("pages")
    runs = zip(PAGES, (small, long, bad), strict=True)
    return {name: write_report(run, folder / f"{name}.html") for name, run in runs}


@pytest.fixture
def visit(browser: Browser, pages: dict[str, Path]) -> Iterator[Callable[..., Page]]:
    """Open a page by name; at the end nothing may have been asked for or complained of.

    `refusals` takes what a test wants the browser to complain of.
    """
    asked: list[str] = []
    complaints: list[str] = []
    contexts = []

    def opened(name: str, refusals: list[str] | None = None, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page: Page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url))
        heard = complaints if refusals is None else refusals
        page.on("console", lambda said: heard.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(pages[name].as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints
    assert {url for url in asked if not url.startswith("data:")} <= {
        path.as_uri() for path in pages.values()
    }


def column(page: Page, number: int, table: str = ERRORS) -> list[str]:
    """Return the texts of a column's cells that can be seen."""
    cells: list[str] = page.eval_on_selector_all(
        f"{table} tbody tr > :nth-child({number})",
        "cells => cells.filter(c => c.checkVisibility()).map(c => c.textContent)",
    )
    return cells


def header(page: Page, name: str, table: str = ERRORS) -> Locator:
    return page.locator(f"{table} thead").get_by_role("button", name=name, exact=True)


def number_of(text: str) -> float:
    return float(text.partition(" ±")[0])


def test_click_sorts_numbers_as_numbers_and_keeps_gaps_last(visit: Callable[..., Page]) -> None:
    page = visit("small")
    before = column(page, 5)
    header(page, "MAE").click()
    up = column(page, 5)
    assert up[-1] == "-"
    known = [number_of(text) for text in up[:-1]]
    assert known == sorted(known)
    assert known[0] < 1e-4
    assert known[-1] > 10.0
    assert page.locator(f"{ERRORS} th[aria-sort]").get_attribute("aria-sort") == "ascending"
    header(page, "MAE").click()
    down = column(page, 5)
    assert [number_of(text) for text in down[:-1]] == known[::-1]
    assert down[-1] == "-"
    assert page.locator(f"{ERRORS} th[aria-sort]").get_attribute("aria-sort") == "descending"
    assert "sorted by MAE, descending" in page.locator(".tools output").first.inner_text()
    header(page, "MAE").click()
    assert column(page, 5) == before
    assert page.locator(f"{ERRORS} th[aria-sort]").count() == 0


def test_keyboard_sorts_too(visit: Callable[..., Page]) -> None:
    page = visit("small")
    header(page, "estimator").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    names = [re.sub(r" ✗.*", "", text) for text in column(page, 2)]
    assert names == sorted(names)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert column(page, 3) == ["100"] * 5 + ["900"] * 5


def test_skip_link_comes_first(visit: Callable[..., Page]) -> None:
    page = visit("small")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_words_and_choices_filter(visit: Callable[..., Page]) -> None:
    page = visit("small")
    tools = page.locator(".tools").filter(has=page.get_by_label("estimator")).first
    tools.get_by_label("Rows with").fill("d=2 900")
    assert column(page, 2) == ["sp", "kl", "kde ✗ 3/3"]
    assert tools.locator("output").inner_text() == "3 of 10 rows"
    tools.get_by_label("Rows with").fill("")
    tools.get_by_label("source").select_option("d=1")
    tools.get_by_label("estimator").select_option("kl")
    assert list(zip(column(page, 1), column(page, 2), strict=True)) == [("d=1", "kl")] * 2
    tools.get_by_label("estimator").select_option("kde")
    assert tools.locator("output").inner_text() == "0 of 10 rows"
    tools.get_by_label("source").select_option("all")
    assert column(page, 2) == ["kde ✗ 2/3", "kde ✗ 3/3"]


def test_long_table_shows_its_beginning_until_asked(visit: Callable[..., Page]) -> None:
    page = visit("long")
    assert len(column(page, 1)) == 100
    output = page.locator(".tools output").first
    assert output.inner_text() == "300 rows, 100 shown"
    header(page, "n").click()
    assert column(page, 2) == [str(n) for n in SIZES for _ in range(3)][:100]
    header(page, "n").click()
    assert column(page, 2)[0] == "1000"
    page.get_by_role("button", name="Show all 300").click()
    assert len(column(page, 1)) == 300
    page.get_by_label("Rows with").first.fill("kde")
    assert column(page, 1) == ["kde"] * 100


def test_pointer_and_arrows_read_the_points_of_a_figure(visit: Callable[..., Page]) -> None:
    page = visit("small")
    points = page.locator("svg.figure .hits circle")
    tip = page.get_by_role("tooltip", include_hidden=True)
    texts = page.eval_on_selector_all(
        "svg.figure .hits circle", "all => all.map(c => c.textContent)"
    )
    assert any(re.fullmatch(r"sp: x = 100, y = 0\.\d+", text) for text in texts)
    assert not tip.is_visible()
    points.nth(1).hover()
    assert tip.inner_text() == texts[1]
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.locator("svg.figure").focus()
    page.keyboard.press("End")
    assert tip.inner_text() == texts[-1]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text() == texts[1]
    assert page.locator("[aria-live]").last.inner_text() == texts[1]
    box, place = tip.bounding_box(), points.nth(1).bounding_box()
    assert box
    assert place
    assert abs(box["y"] - place["y"]) < 150
    page.keyboard.press("Tab")
    assert not tip.is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_phone_scrolls_tables_and_not_the_page(visit: Callable[..., Page], name: str) -> None:
    page = visit(name, viewport={"width": 360, "height": 740}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    sticky = page.evaluate(
        """() => {
          const box = document.querySelector("#errors-table").parentElement;
          box.scrollLeft = 150;
          const cell = box.querySelector("tbody th").getBoundingClientRect();
          return [box.scrollLeft, cell.left - box.getBoundingClientRect().left, cell.width];
        }"""
    )
    assert sticky[0] == 150
    assert sticky[1] == pytest.approx(0.0, abs=1.0)
    assert sticky[2] < 200


def test_dark_page_is_dark_and_its_figures_are_not(visit: Callable[..., Page]) -> None:
    page = visit("small", color_scheme="dark")
    grounds = page.evaluate(
        """() => ["body", "tbody th", ".card"].map(
          name => getComputedStyle(document.querySelector(name)).backgroundColor)"""
    )
    assert grounds == ["rgb(20, 23, 26)", "rgb(20, 23, 26)", "rgb(255, 255, 255)"]


def test_print_has_every_row_and_no_controls(visit: Callable[..., Page]) -> None:
    page = visit("long", color_scheme="dark")
    page.emulate_media(media="print")
    assert len(column(page, 1)) == 300
    for gone in (".tools", "nav", ".copy"):
        assert not page.locator(gone).first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    cut = page.eval_on_selector_all(
        ".box", "all => all.filter(b => b.scrollHeight > b.clientHeight + 1).length"
    )
    assert cut == 0
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("name", PAGES)
def test_all_is_there_without_scripts(visit: Callable[..., Page], name: str) -> None:
    page = visit(name, java_script_enabled=False)
    assert page.locator(".tools, .copy, th button").count() == 0
    rows = page.locator(f"{ERRORS} tbody tr")
    assert rows.count() == {"small": 10, "long": 300, "hostile": 2}[name]
    assert rows.last.is_visible()
    assert page.locator("svg.figure").is_visible()


def test_hostile_names_are_shown_and_nothing_runs(visit: Callable[..., Page]) -> None:
    page = visit("hostile")
    seen = HOSTILE.replace("\x1b", "␛")
    assert page.locator("h1").inner_text() == seen
    assert column(page, 1) == [f"kl[note={seen}]"] * 2
    assert page.locator("pre").first.inner_text() == seen
    assert page.locator("img, main script, svg script").count() == 0
    first = page.locator("svg.figure .hits circle").first
    first.hover()
    tip = page.get_by_role("tooltip").inner_text()
    assert tip.startswith(f"kl[note={HOSTILE[:-1]}\ufffd]: x = 100, y = ")
    assert page.locator(".tip *").count() == 0
    header(page, "estimator").click()
    assert page.locator("img").count() == 0


def test_markup_that_gets_in_would_not_run(visit: Callable[..., Page]) -> None:
    refusals: list[str] = []
    page = visit("small", refusals)
    ran = page.evaluate(
        """() => {
          document.querySelector("main").insertAdjacentHTML(
            "beforeend", "<img src=data:, onerror='window.ran = 1'>");
          const script = document.createElement("script");
          script.textContent = "window.ran = 2";
          document.body.append(script);
          return new Promise(done => setTimeout(() => done(window.ran ?? null), 100));
        }"""
    )
    assert ran is None
    assert len(refusals) == 2
    assert all("Content Security Policy" in said for said in refusals)


def test_copy_button_copies_the_command(visit: Callable[..., Page]) -> None:
    page = visit("hostile", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == HOSTILE.replace("\x1b", "␛")
