"""The report in a headless Chromium, at the sizes that the KFP dashboard and people use."""

import contextlib
import html
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regatta.evaluation.report import render
from tests.unit.evaluation.example import example

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")
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


class Chromium:
    """A browser driven over its debugging protocol."""

    def __init__(self, program: str, profile: Path, closing: contextlib.ExitStack) -> None:
        websockets = pytest.importorskip("websockets.sync.client")
        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        closing.callback(self.stop)
        assert self.process.stderr
        found = next(filter(None, (LISTENING.search(line) for line in self.process.stderr)), None)
        assert found, "Chromium did not start"
        self.socket = closing.enter_context(websockets.connect(found[1], max_size=None))
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self.session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params, **self.session}
        self.socket.send(json.dumps(message))
        while True:
            answer: dict[str, Any] = json.loads(self.socket.recv(timeout=30))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]  # type: ignore[no-any-return]
            self.events.append(answer)

    def open(self, page: Path, width: int, height: int, scheme: str) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + 20
        while self.js("document.readyState") != "complete":
            assert time.monotonic() < deadline, "the page did not load"
            time.sleep(0.02)

    def js(self, expression: str) -> Any:
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(10)
        if self.process.stderr:
            self.process.stderr.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    with contextlib.ExitStack() as closing:
        yield Chromium(program, tmp_path_factory.mktemp("profile"), closing)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for case, options in CASES.items():
        made[case] = folder / f"{case}.html"
        made[case].write_text(render(*example(**{"task": case, **options})), encoding="utf-8")
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [300, 447, 690, 1440])
@pytest.mark.parametrize("case", CASES)
def test_page(
    browser: Chromium, pages: dict[str, Path], case: str, width: int, scheme: str
) -> None:
    browser.open(pages[case], width, 598, scheme)
    said = [e for e in browser.events if e["method"] in COMPLAINTS]
    assert said == []
    requests = [e for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert len(requests) == 1
    # Nothing is wider than the window but what scrolls by itself.
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert browser.js("document.title") == "Regatta report: toy"
    background = browser.js("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert (red > 200) == (scheme == "light")


@pytest.mark.parametrize("case", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("width", [447, 690, 1440])
def test_the_answer_is_on_the_first_screen(
    browser: Chromium, pages: dict[str, Path], case: str, width: int
) -> None:
    browser.open(pages[case], width, 598, "light")
    bottom = browser.js("document.querySelector('.answers').getBoundingClientRect().bottom")
    assert bottom <= 598


@pytest.mark.parametrize("case", ["binary", "multiclass", "regression"])
def test_chart_text_is_legible_in_the_dashboard(
    browser: Chromium, pages: dict[str, Path], case: str
) -> None:
    browser.open(pages[case], 447, 598, "light")
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
    browser.open(frame, 600, 700, "light")
    assert [e for e in browser.events if e["method"] in COMPLAINTS] == []
    assert browser.js("document.title") != "broken"
