"""The report in a headless Chromium, at the sizes that the KFP dashboard and people use."""

import html
import re
from pathlib import Path
from typing import Any

import pytest

from regatta.evaluation.report import render
from regatta.monitoring import Score
from regatta.monitoring.page import render as render_drift
from tests.browser import Chromium, browser
from tests.unit.evaluation.example import example
from tests.unit.monitoring.test_page import NOW, THEN
from tests.unit.monitoring.test_page import example as drift_example

__all__ = ["browser"]

pytestmark = pytest.mark.browser

COMPLAINTS = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">"
CASES: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"classes": tuple(f"class number {i}" for i in range(12))},
    "regression": {},
    "hostile": {
        "task": "binary",
        "names": (HOSTILE, "עמודה ארוכה", "w" * 500),
        "classes": (HOSTILE, "{{7*7}}" * 40),
        "target": "t" * 300,
        "values": (HOSTILE, "y" * 200, "ערך"),
    },
}
DRIFTS = {
    "steady": drift_example(drifted=False),
    "worse": drift_example(score=Score("worse", THEN, NOW, 0.5, 400)),
    "hostile drift": drift_example(
        (HOSTILE, "עמודה ארוכה", "w" * 500),
        classes=(HOSTILE, "{{7*7}}" * 40),
        target="t" * 300,
        source="s" * 300,
        label="y" * 200,
    ),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for case, options in CASES.items():
        made[case] = folder / f"{case}.html"
        made[case].write_text(render(*example(**{"task": case, **options})), encoding="utf-8")
    for case, values in DRIFTS.items():
        made[case] = folder / f"{case}.html"
        made[case].write_text(render_drift(values), encoding="utf-8")
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [300, 447, 690, 1440])
@pytest.mark.parametrize("case", [*CASES, *DRIFTS])
def test_page(
    browser: Chromium, pages: dict[str, Path], case: str, width: int, scheme: str
) -> None:
    browser.open(pages[case].as_uri(), width, 598, scheme)
    said = [e for e in browser.events if e["method"] in COMPLAINTS]
    assert said == []
    requests = [e for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert len(requests) == 1
    # Nothing is wider than the window but what scrolls by itself.
    assert browser.js("document.documentElement.scrollWidth") <= width
    kind = "drift report" if case in DRIFTS else "report"
    assert browser.js("document.title") == f"Regatta {kind}: toy"
    background = browser.js("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert (red > 200) == (scheme == "light")


@pytest.mark.parametrize("case", ["binary", "multiclass", "regression", "steady", "worse"])
@pytest.mark.parametrize("width", [447, 690, 1440])
def test_the_answer_is_on_the_first_screen(
    browser: Chromium, pages: dict[str, Path], case: str, width: int
) -> None:
    browser.open(pages[case].as_uri(), width, 598, "light")
    bottom = browser.js("document.querySelector('.answers').getBoundingClientRect().bottom")
    assert bottom <= 598


@pytest.mark.parametrize("case", ["binary", "multiclass", "regression"])
def test_chart_text_is_legible_in_the_dashboard(
    browser: Chromium, pages: dict[str, Path], case: str
) -> None:
    browser.open(pages[case].as_uri(), 447, 598, "light")
    heights = browser.js(
        "[...document.querySelectorAll('figure svg')].map("
        "s => 12.5 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)"
    )
    assert heights
    assert min(heights) >= 11


def test_the_page_works_in_the_sandbox_of_the_dashboard(
    browser: Chromium, pages: dict[str, Path], tmp_path: Path
) -> None:
    text = html.escape(pages["hostile"].read_text(encoding="utf-8"))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<!doctype html><iframe sandbox="allow-scripts" width=447 height=598 srcdoc="{text}">',
        encoding="utf-8",
    )
    browser.open(frame.as_uri(), 600, 700, "light")
    assert [e for e in browser.events if e["method"] in COMPLAINTS] == []
    assert browser.js("document.title") != "broken"
