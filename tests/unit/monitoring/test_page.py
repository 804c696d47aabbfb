"""The drift report: one page, whatever the table says."""

from typing import Any

import pytest

from regatta.monitoring import Drift, Score, decide
from regatta.monitoring.page import render
from regatta.settings import MonitorSettings
from tests.unit.evaluation.test_page import HOSTILE, Page

THEN = {
    "key": "roc_auc",
    "label": "ROC AUC",
    "greater_is_better": True,
    "score": 0.9,
    "low": 0.88,
    "high": 0.92,
    "confidence": 0.95,
    "baseline": 0.5,
}
NOW = {**THEN, "score": 0.7, "low": 0.65, "high": 0.75}


def example(
    names: tuple[str, ...] = ("age", "city"),
    *,
    drifted: bool = True,
    score: Score | None = None,
    task: str = "binary",
    classes: tuple[str, ...] = ("no", "yes"),
    target: str = "outcome",
    source: str = "served.csv",
    label: str = "up to 30",
) -> dict[str, Any]:
    """Return what drift.json could hold."""
    bins = ((label, 0.9, 0.1), ("missing", 0.1, 0.9))
    columns = [
        Drift(name, "categorical", 2.0, 0.1, (0.1, 0.9), (0, 0.4), bins, 0.5, drifted=drifted)
        for name in names
    ]
    said = Drift("prediction", "numeric", 0.01, 0.1, (0, 0), (0, 0), bins, None, drifted=False)
    score = score or Score("unknown", THEN)
    verdict = decide(columns, said, score, MonitorSettings())
    return {
        "name": "toy",
        "version": "3",
        "task": task,
        "target": target,
        "classes": list(classes),
        "source": source,
        "n_rows": 1000,
        "compared": 1000,
        "n_reference": 20_000,
        "group": "",
        "n_groups": 0,
        "tests": 5,
        "created_at": "2025-01-02T03:04:05+00:00",
        "columns": [column.to_dict() for column in columns],
        "predictions": said.to_dict(),
        "score": score.to_dict(),
        "verdict": verdict.to_dict(),
        "settings": MonitorSettings().model_dump(mode="json"),
    }


CASES = {
    "steady": example(drifted=False),
    "retrain": example(),
    "worse": example(drifted=False, score=Score("worse", THEN, NOW, 0.5, 400)),
    "slipped": example(drifted=False, score=Score("slipped", THEN, NOW, 0.05, 400)),
    "undefined": example(drifted=False, score=Score("unsure", THEN, n_rows=12)),
    "regression": example(task="regression", classes=()),
    "many columns": example(tuple(f"column {n}" for n in range(90))),
}


@pytest.mark.parametrize("case", CASES)
def test_is_one_accessible_page_without_scripts(case):
    page = render(CASES[case])
    found = Page(page)
    for tag in ("script", "a", "img", "link", "iframe", "form", "object", "embed", "base"):
        assert tag not in found.tags
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert len(page.encode()) < 80_000
    assert found.headings.count(1) == 1
    steps = zip(found.headings, found.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    labelled = {value for _, key, value in found.attributes if key == "aria-labelledby"}
    assert labelled <= {value for _, key, value in found.attributes if key == "id"}


@pytest.mark.parametrize(
    ("case", "texts"),
    [
        ("steady", ("Nothing to do", "None of 2 drifted", "Not known")),
        ("retrain", ("changed too much", "2 of 2 drifted", "10\u202f% → 90\u202f%")),
        ("worse", ("worse than at release", "0.70", "0.65 – 0.75")),
        ("slipped", ("a little worse than at release",)),
        ("undefined", ("Cannot be computed",)),
        ("regression", ("Predicted <bdi>outcome</bdi>",)),
        ("many columns", ("50 more columns",)),
    ],
)
def test_says_what_was_found(case, texts):
    page = render(CASES[case])
    for text in texts:
        assert text in page


@pytest.mark.parametrize("bad", HOSTILE)
def test_whatever_the_table_says_is_text(bad):
    strange = Score("worse", THEN, NOW, 0.5, 400, (bad,), 3)
    values = example(
        (bad, "age"), classes=(bad, bad), target=bad, source=bad, label=bad, score=strange
    )
    page = render(values)
    assert "script" not in Page(page).tags
    assert "<script" not in page.lower()
    assert "onerror=alert" not in page or "&lt;img" in page
