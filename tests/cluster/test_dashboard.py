"""The pipeline is uploaded and started by hand: in the dashboard, in a real browser.

REGATTA_KFP_UI names the dashboard.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regatta.store import Location, Store
from tests.browser import Chromium, browser
from tests.cluster.conftest import RUNS, state_of

__all__ = ["browser"]

UI = os.environ.get("REGATTA_KFP_UI", "")
YAML = Path(__file__).parents[2] / "pipelines" / "train" / "pipeline.yaml"

pytestmark = pytest.mark.skipif(not UI, reason="REGATTA_KFP_UI names no dashboard")


def box(name: str) -> str:
    return f"document.getElementById('{name}')"


def upload(browser: Chromium, name: str) -> None:
    browser.open(f"{UI}/#/pipeline_versions/new", 1280, 1000)
    browser.type(box("newPipelineName"), name)
    labels = "[...document.querySelectorAll('label')]"
    browser.click(f"{labels}.find(e => e.innerText.includes('Upload a file'))")
    browser.choose_file("input[type=file]", YAML)
    browser.click(box("createNewPipelineOrVersionBtn"))
    browser.until("location.hash.startsWith('#/pipelines/details/')")


def test_a_run_is_started_from_the_form(
    browser: Chromium,
    session: str,
    table: str,
    place: str,
    store: Store,
    kubectl: Callable[..., Any],
) -> None:
    upload(browser, f"{session}-by-hand")
    browser.click(box("createNewRunBtn"))
    # What nobody has to change stands there already; only two boxes must be filled in.
    browser.until(f"{box('pods_memory')}?.value === 'auto'")
    assert browser.js(f"{box('search_strategy')}.innerText") == "portfolio"
    browser.type(box("data_source"), table)
    browser.type(box("data_target"), "outcome")
    browser.type(box("run_name"), f"{session}-by-hand")
    browser.type(box("run_settings"), '{"search": {"max_trials": 2}}')
    browser.type(box("release_registry"), f"{place}/registry")
    browser.type(box("pods_cpu"), "100m")
    browser.click(box("startNewRunBtn"))
    browser.until("location.hash.startsWith('#/runs')")

    assert state_of(found(session)) == "SUCCEEDED"
    # It was registered, and the report is a page that the dashboard can show.
    assert store.exists(Location.parse(f"{place}/registry/models/{session}-by-hand/versions/1"))


def found(session: str) -> str:
    """Return the identity of the run that the form has started."""
    import httpx

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = httpx.get(
            f"{os.environ['REGATTA_KFP_HOST']}/apis/v2beta1/runs",
            params={"namespace": RUNS, "page_size": "20", "sort_by": "created_at desc"},
        )
        for run in answer.raise_for_status().json().get("runs") or ():
            if f"{session}-by-hand" in run["display_name"]:
                return str(run["run_id"])
        time.sleep(1)
    raise AssertionError("the form has started no run")
