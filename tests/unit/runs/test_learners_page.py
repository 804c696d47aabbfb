"""The page of metrics and learners: that it is current is what `regatta compile --check` says."""

import re

import pytest

from regatta.evaluation.metrics import METRICS
from regatta.learners import LEARNERS, Shape
from regatta.runs.learners_page import learners_page
from regatta.runs.settings_page import settings_page

SHAPES = [
    Shape(task, 3_000, 10, outputs, n_categories=500)  # type: ignore[arg-type]
    for task, outputs in (("binary", 2), ("multiclass", 4), ("regression", 1))
]


def section(title: str) -> str:
    return learners_page().partition(f"\n### {title}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("key", LEARNERS)
def test_each_parameter_of_a_learner_has_a_row(key: str) -> None:
    learner = LEARNERS[key]()
    shapes = [shape for shape in SHAPES if shape.task in learner.tasks]
    names = {name for shape in shapes for name in learner.defaults(shape)}
    searched = {name for shape in shapes for name in learner.space(shape)}
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.+?) \|$", section(key), re.MULTILINE)
    assert {name for name, _, _ in rows} == names | searched
    assert {name for name, found, _ in rows if found} == searched


@pytest.mark.parametrize(
    ("learner", "row"),
    [
        ("lightgbm", "| `extra_trees` | `false`, `true` | `false` |"),
        (
            "lightgbm",
            "| `num_leaves` | `4` to `100` log; 100,000 rows: `4` to `256` log "
            "| `16`; 100,000 rows: `31`, regression `63` |",
        ),
        ("lightgbm", "| `linear_l2` | regression `0.1` to `100` log | regression `10` |"),
        ("hist_gradient_boosting", "| `learning_rate` | `0.01` to `0.2` log | `0.1`, multiclass"),
        ("svm", "| `epsilon` | regression `0.01` to `0.5` log | `0.1` |"),
        ("xgboost", "| `native_categories` | 5,000 categories: `30`, `200` |"),
        ("mlp", "| `patience` |  | `6` |"),
        ("tabm", "Tasks: binary, multiclass, regression. Needs `regatta[torch]`."),
    ],
)
def test_ranges_and_defaults_are_named_for_what_they_depend_on(learner: str, row: str) -> None:
    assert row in section(learner)


def test_each_metric_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (?:higher|lower) \|", learners_page(), re.MULTILINE)
    assert rows == list(METRICS)
    assert "| `f1` | F1 | higher | binary |\n" in learners_page()
    assert "| `log_loss` | log-loss | lower | binary, multiclass (default) |\n" in learners_page()


def test_the_kinds_of_columns_are_among_the_settings() -> None:
    kinds = "`numeric`, `boolean`, `categorical`, `text`, `datetime`, `ignore`"
    assert f"| `data.kinds` | map to {kinds} |" in settings_page()
