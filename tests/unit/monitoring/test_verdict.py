"""What decides: the score where it can, else the importance of what has drifted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regatta.dataset.schema import Column, Schema
from regatta.monitoring import DECISIONS, Drift, Score, decide, measure
from regatta.monitoring.score import judge
from regatta.settings import MonitorSettings, RunSettings

SETTINGS = MonitorSettings()
LEVEL = 0.001
QUIET = Drift("prediction", "numeric", 0.01, 0.1, (0, 0), (0, 0), (), None, drifted=False)
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


def drift(name: str, importance: float | None, *, drifted: bool = True) -> Drift:
    return replace(QUIET, name=name, importance=importance, drifted=drifted, psi=0.5)


def score(value: float, low: float | None = None, high: float | None = None) -> Score:
    now = {**THEN, "score": value, "low": low, "high": high}
    outcome, lost = judge(THEN, now, SETTINGS, level=LEVEL)
    return Score(outcome, THEN, now, lost, 500)


NONE = Score("unknown", THEN)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (score(0.70, 0.65, 0.75), "worse"),
        (score(0.866, 0.864, 0.868), "slipped"),
        (score(0.89, 0.86, 0.92), "holds"),
        (score(0.95, 0.93, 0.97), "holds"),
        (score(0.87, 0.80, 0.94), "unsure"),
        # Within the interval of the release, and it could as well be a guess.
        (score(0.89, 0.5, 1.0), "unsure"),
        (score(0.6), "unsure"),
    ],
)
def test_scores_are_compared_beyond_chance(found, outcome):
    assert found.outcome == outcome


def test_what_is_better_turns_with_the_metric():
    then = {"score": 10.0, "low": 9.0, "high": 11.0, "baseline": 20.0, "confidence": 0.95}
    then["greater_is_better"] = False
    worse = {**then, "score": 14.0, "low": 13.0, "high": 15.0}
    assert judge(then, worse, SETTINGS, level=LEVEL) == ("worse", pytest.approx(0.4))
    assert judge(worse, then, SETTINGS, level=LEVEL)[0] == "holds"
    # 3.0902 / 1.96 times the root of 2: each end that faces the other score is 1 away from its own.
    assert judge(then, {**then, "score": 12.24, "low": 11.24}, SETTINGS, level=LEVEL)[0] == "worse"
    assert judge(then, {**then, "score": 12.22, "low": 11.22}, SETTINGS, level=LEVEL)[0] == "unsure"


def test_a_score_of_many_tests_must_have_lost_more():
    now = {**THEN, "score": 0.86, "low": 0.845, "high": 0.875}
    assert judge(THEN, now, SETTINGS, level=0.001)[0] == "worse"
    assert judge(THEN, now, SETTINGS, level=0.001 / 50)[0] == "unsure"


def test_a_model_without_a_lead_can_be_worse():
    then = {**THEN, "score": 0.5, "low": 0.45, "high": 0.55}
    now = {**then, "score": 0.3, "low": 0.28, "high": 0.32}
    assert judge(then, now, SETTINGS, level=LEVEL) == ("worse", None)


@pytest.mark.parametrize(
    ("columns", "found", "decision"),
    [
        ([drift("a", 0.9, drifted=False)], NONE, "steady"),
        ([drift("a", 0.05), drift("b", 0.95, drifted=False)], NONE, "drifted"),
        ([drift("a", None)], NONE, "drifted"),
        ([drift("a", 0.6)], NONE, "retrain"),
        # Each of them is little; together they are not.
        ([drift("a", 0.06), drift("b", 0.06)], NONE, "retrain"),
        ([drift("a", 0.6)], score(0.89, 0.86, 0.92), "drifted"),
        ([drift("a", 0.6)], score(0.87, 0.8, 0.94), "retrain"),
        ([drift("a", 0.6, drifted=False)], score(0.7, 0.65, 0.75), "retrain"),
        ([drift("a", 0.6, drifted=False)], score(0.866, 0.864, 0.868), "drifted"),
        ([drift("a", 0.6, drifted=False)], score(0.89, 0.86, 0.92), "steady"),
    ],
)
def test_the_verdict(columns, found, decision):
    verdict = decide(columns, QUIET, found, SETTINGS)
    assert verdict.decision == decision
    assert decision in DECISIONS
    assert all(reason.endswith(".") for reason in verdict.reasons)


def test_predictions_that_move_are_a_reason_to_look():
    columns = [drift("a", 0.9, drifted=False)]
    verdict = decide(columns, replace(QUIET, drifted=True), NONE, SETTINGS)
    assert verdict.decision == "drifted"
    assert verdict.reasons[0].startswith("The predictions have moved")


def test_the_decisive_reason_comes_first():
    unsure, worse = score(0.87, 0.8, 0.94), score(0.7, 0.65, 0.75)
    first = decide([drift("a", 0.6)], QUIET, unsure, SETTINGS).reasons[0]
    assert first.startswith("'a' has drifted. It has 60")
    first = decide([drift("a", 0.6)], QUIET, worse, SETTINGS).reasons[0]
    assert first.startswith(
        "The ROC AUC on 500 rows is 0.7000; at release it was 0.9000, and it is"
    )


def truth(dtype: str = "string", **more: str) -> Schema:
    columns = (Column("y", "categorical", dtype, used=False), Column("w", "numeric", "float64"))
    return Schema("binary", "y", ("no", "yes"), columns, 9, **more)


def test_rows_without_a_truth_or_with_a_strange_one_are_not_scored():
    labels = ["no", "yes"] * 50 + [None, "maybe", "maybe"]
    predicted = np.array([[0.9, 0.1], [0.2, 0.8]] * 50 + [[0.5, 0.5]] * 3)
    found = measure(
        truth(), pd.DataFrame({"y": labels}), predicted, THEN, RunSettings(), level=LEVEL
    )
    assert (found.n_rows, found.strange, found.n_strange) == (100, ("maybe",), 2)
    assert found.now["score"] == 1.0
    verdict = decide([drift("a", 0.6, drifted=False)], QUIET, found, SETTINGS)
    assert verdict.decision == "drifted"
    assert verdict.reasons[-1] == "2 rows are of classes that the model does not know: maybe."


@pytest.mark.parametrize("frame", [{}, {"y": [None, None]}])
def test_without_any_truth_there_is_no_score(frame):
    found = measure(truth(), pd.DataFrame(frame), np.ones((2, 2)), THEN, RunSettings(), level=LEVEL)
    assert (found.outcome, found.now) == ("unknown", None)


def test_of_one_class_there_is_no_roc_auc():
    frame = pd.DataFrame({"y": ["no"] * 30})
    found = measure(truth(), frame, np.full((30, 2), 0.5), THEN, RunSettings(), level=LEVEL)
    assert (found.outcome, found.now, found.n_rows) == ("unsure", None, 30)


def test_resamples_of_very_few_rows_decide_nothing():
    frame = pd.DataFrame({"y": ["no", "yes"] * 9})
    wrong = np.array([[0.1, 0.9], [0.9, 0.1]] * 9)
    found = measure(truth(), frame, wrong, THEN, RunSettings(), level=LEVEL)
    assert (found.outcome, found.now["score"], found.now["low"]) == ("unsure", 0.0, None)


@pytest.mark.parametrize(
    ("dtype", "classes", "written"),
    [
        # Beside 0.5, which is no class, or a missing value pandas writes them 0.0 and 1.0.
        ("int64", ("0", "1"), (0.0, 1.0, 0.5)),
        ("int64", ("0", "1"), ("0.0", "1.0", "maybe")),
        ("float64", ("0.5", "1.5"), ("0.50", "1.5", "nan")),
        (
            "int64",
            ("9007199254740992", "9007199254740993"),
            ("9007199254740992", "9007199254740993", "9"),
        ),
        ("string", ("01", "1"), ("01", "1", "1.0")),
    ],
)
def test_numbers_are_the_classes_that_they_were_however_they_are_written(dtype, classes, written):
    schema = replace(truth(dtype), classes=classes)
    no, yes, strange = written
    frame = pd.DataFrame({"y": [no, yes] * 10 + [strange, None]})
    predicted = np.array([[0.9, 0.1], [0.2, 0.8]] * 10 + [[0.5, 0.5]] * 2)
    found = measure(schema, frame, predicted, THEN, RunSettings(), level=LEVEL)
    assert (found.n_rows, found.n_strange, found.now["score"]) == (20, 1, 1.0)


def test_weights_count_where_the_table_has_them():
    labels, weights = ["no", "yes", "yes", "no"] * 10, [1.0, 1.0, 0.0, np.nan] * 10
    frame = pd.DataFrame({"y": labels, "w": weights})
    predicted = np.array([[0.9, 0.1], [0.2, 0.8], [1.0, 0.0], [0.0, 1.0]] * 10)
    schema = truth(weight="w")
    found = measure(schema, frame, predicted, THEN, RunSettings(), level=LEVEL)
    assert (found.now["score"], found.n_rows, found.unweighted) == (1.0, 20, False)
    found = measure(schema, frame[["y"]], predicted, THEN, RunSettings(), level=LEVEL)
    assert (found.n_rows, found.unweighted) == (40, True)
    # One of four pairs is in order: of the rows at 0.8 and 0.0 against those at 0.1 and 1.0.
    assert found.now["score"] == pytest.approx(0.25)


def test_rows_of_a_group_are_drawn_together():
    rng = np.random.default_rng(0)
    sure = np.repeat(rng.uniform(0.2, 0.9, 40), 25)
    labels = np.repeat(rng.random(40) < 0.5, 25)
    right = np.where(labels, sure, 1 - sure)
    frame = pd.DataFrame({"y": np.where(labels, "yes", "no"), "who": np.repeat(np.arange(40), 25)})
    frame["who"] = frame["who"].astype(str).astype(object)
    predicted = np.column_stack([1 - right, right])
    schema = truth(group="who")
    whole = measure(schema, frame, predicted, THEN, RunSettings(), level=LEVEL)
    rows = measure(schema, frame[["y"]], predicted, THEN, RunSettings(), level=LEVEL)
    assert (whole.ungrouped, rows.ungrouped) == (False, True)
    assert whole.now["score"] == rows.now["score"]
    width = [found.now["high"] - found.now["low"] for found in (whole, rows)]
    # The root of 25, for rows of a group say nothing new.
    assert width[0] > 3 * width[1]
    # Rows without a group are groups of their own.
    alone = measure(schema, frame.assign(who=None), predicted, THEN, RunSettings(), level=LEVEL)
    assert alone.now["high"] - alone.now["low"] < width[0] / 3
    # Of four groups resamples say nothing.
    few = measure(
        schema, frame.assign(who=np.arange(1000) % 4), predicted, THEN, RunSettings(), level=LEVEL
    )
    assert (few.outcome, few.now["low"]) == ("unsure", None)
