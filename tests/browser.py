"""A headless Chromium, driven over its debugging protocol."""

import contextlib
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

__all__ = ["Chromium", "browser"]

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

    def open(self, address: str, width: int, height: int, scheme: str = "light") -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.events.clear()
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'", every=0.02)

    def until(self, expression: str, seconds: float = 20, every: float = 0.1) -> Any:
        """Wait until an expression is true, and return its value."""
        deadline = time.monotonic() + seconds
        while not (found := self.js(expression)):
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(every)
        return found

    def click(self, element: str) -> None:
        """Click on what an expression names, as soon as it is there and can be clicked."""
        self.until(f"(e => e && !e.disabled && (e.click(), true))({element})")

    def type(self, element: str, text: str) -> None:
        """Write into a box what a person would, in place of what it holds."""
        self.until(f"(e => e && (e.focus(), e.select(), true))({element})")
        self.call("Input.insertText", text=text)
        assert self.js(f"({element}).value") == text

    def choose_file(self, selector: str, path: Path) -> None:
        """Give a file to a form."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

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
