"""Selection and leaderboard, on trials that were really raced."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, softmax

from regatta.artifacts import read_json, writing
from regatta.artifacts.records import Recipe, TrialRecord
from regatta.bundle import Pooling
from regatta.ensemble.candidates import Race, Trial, read_lanes
from regatta.ensemble.leaderboard import leaderboard, nothing_succeeded
from regatta.ensemble.select import Selection, _score_of, _Search, select
from regatta.errors import ArtifactError, BudgetError, SearchError
from regatta.evaluation.metrics import METRICS, Metric, get_metric
from regatta.evaluation.scoring import decided
from regatta.search.race import race
from tests.unit.search.fakes import TOOLBOX, open_features, plan_of

OPTIONS = {"max_members": 4, "iterations": 20, "seed": 0, "seconds": 10.0}
RECIPES = [
    Recipe("line", {"noise": 0.2}),
    Recipe("raises"),
    Recipe("line", {"noise": 0.25}),
    Recipe("line", {"noise": 0.3}),
    Recipe("nan"),
]


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """Two lanes, of which the second has failures only."""
    folder = tmp_path_factory.mktemp("race")
    table = open_features(folder / "features", task="regression")
    lanes = []
    for number, recipes in enumerate((RECIPES, [Recipe("raises"), Recipe("raises")])):
        plan = plan_of(table, recipes, search={"cores": 1}, seed=number)
        with writing(folder / f"lane-{number}", "trials") as place:
            race(table, plan, 0, place, toolbox=TOOLBOX)
        lanes.append(folder / f"lane-{number}")
    return table, lanes


def test_records_of_all_lanes_are_read(raced):
    _, lanes = raced
    found = read_lanes(lanes)
    assert len(found.trials) == 7
    assert len(found.usable) == 3
    assert [lane["statuses"].get("ok", 0) for lane in found.lanes] == [3, 0]


def test_blend_beats_the_best_single(raced):
    table, lanes = raced
    found = read_lanes(lanes)
    metric = get_metric("rmse", "regression")
    chosen = select(found.usable, table.y, table.folds, metric, **OPTIONS)
    best = min(trial.record.score for trial in found.usable)
    assert sum(weight for _, weight in chosen.members) == pytest.approx(1)
    assert chosen.score <= best
    blend = sum(weight * trial.oof() for trial, weight in chosen.members)
    assert metric.score(table.y, blend) == pytest.approx(chosen.score, rel=1e-5)
    assert select(found.usable, table.y, table.folds, metric, **OPTIONS) == chosen
    alone = select(found.usable, table.y, table.folds, metric, **{**OPTIONS, "max_members": 1})
    assert alone.score == best
    assert [weight for _, weight in alone.members] == [1.0]


def test_members_predict_in_the_time_that_is_kept_for_them(raced):
    table, lanes = raced
    metric = get_metric("rmse", "regression")
    trials = [
        Trial(replace(trial.record, predict_seconds_per_row=took), trial.lane)
        for trial, took in zip(read_lanes(lanes).usable, (2e-4, 1e-4, 1e-4), strict=True)
    ]

    def chosen(row_seconds: float) -> set[str]:
        found = select(trials, table.y, table.folds, metric, row_seconds=row_seconds, **OPTIONS)
        return {trial.record.id for trial, _ in found.members}

    every = {trial.record.id for trial in trials}
    assert chosen(np.inf) == chosen(4.1e-4) == every
    assert len(chosen(3.1e-4)) == 2
    assert chosen(1.5e-4) == {trials[1].record.id}
    # Nobody is in time: the fastest it is, rather than none.
    assert chosen(1e-9) == {trials[1].record.id}


class Twice:
    """A trial that predicted each row the same in two repeats."""

    def __init__(self, trial) -> None:
        self.record, self._trial = trial.record, trial

    def oof(self) -> np.ndarray:
        return np.tile(self._trial.oof(), (2, 1))


@pytest.fixture(scope="module", params=[1, 3])
def classified(tmp_path_factory: pytest.TempPathFactory, request) -> tuple:
    """Lines that are much too sure of two classes, by a holdout and by folds."""
    folder = tmp_path_factory.mktemp("classes")
    table = open_features(folder / "features", n_rows=1_500, n_folds=request.param)
    recipes = [Recipe("line", {"noise": noise}) for noise in (0.0, 0.3, 0.4)]
    with writing(folder / "lane-0", "trials") as place:
        race(table, plan_of(table, recipes, search={"cores": 1}), 0, place, toolbox=TOOLBOX)
    return table, read_lanes([folder / "lane-0"]).usable


@pytest.mark.parametrize("key", ["roc_auc", "log_loss"])
def test_classes_are_pooled_by_their_logarithms(classified, key: str):
    table, trials = classified
    metric = get_metric(key, "binary")
    plain = select(trials, table.y, table.folds, metric, stacking=False, **OPTIONS)
    chosen = select(trials, table.y, table.folds, metric, **OPTIONS)
    assert plain.pooling == Pooling("log")
    assert sum(weight for _, weight in chosen.members) == pytest.approx(1)
    rows = np.flatnonzero(np.isfinite(trials[0].oof()[:, 0]))
    logs = sum(w * np.log(np.clip(trial.oof()[rows], 1e-6, 1)) for trial, w in chosen.members)
    scores = chosen.pooling.slope * logs + np.array(chosen.pooling.bias or (0.0, 0.0))
    pooled = softmax(scores.astype(float), axis=1)
    assert chosen.score == pytest.approx(metric.score(table.y[rows], pooled), rel=1e-5)
    if key == "log_loss":
        # It is what a stack lowers; of the others it only must not be worse on unseen folds.
        assert chosen.score < plain.score


class Told:
    """A trial that knows how likely a rare class is, rightly."""

    def __init__(self, metric: Metric, n_rows: int) -> None:
        rng = np.random.default_rng(0)
        likely = expit(rng.normal(-3.0, 1.5, n_rows))
        self.y = (rng.random(n_rows) < likely).astype(np.float64)
        self.said = np.column_stack([1 - likely, likely]).astype(np.float32)
        score = metric.score(self.y, self.said.astype(np.float64))
        self.record = TrialRecord("a", 0, 0, Recipe("x"), 0, "ok", score=score)

    def oof(self) -> np.ndarray:
        return self.said


@pytest.mark.parametrize("n_folds", [1, 4])
@pytest.mark.parametrize("key", ["f1", "balanced_accuracy", "accuracy", "log_loss"])
def test_labels_have_thresholds_where_a_metric_reads_them(key: str, n_folds: int):
    metric = get_metric(key, "binary")
    trial = Told(metric, 4_000)
    folds = np.arange(4_000)[None] % n_folds
    chosen = select([trial], trial.y, folds, metric, **OPTIONS)
    assert bool(chosen.thresholds) is (key in ("f1", "balanced_accuracy"))
    if chosen.thresholds:
        assert chosen.score > trial.record.score + 0.02
        pooled = chosen.pooling.pool(chosen.pooling.terms(trial.oof()))
        score = metric.score(trial.y, decided(pooled, chosen.thresholds))
        assert chosen.score == pytest.approx(score, rel=1e-6)


def test_rows_of_a_group_are_judged_together():
    metric = get_metric("f1", "binary")
    trial = Told(metric, 4_000)
    holdout = np.zeros((1, 4_000), np.int16)
    pairs, one = np.arange(4_000) // 2, np.zeros(4_000, np.int64)
    rows = np.arange(4_000)
    search = _Search(trial.y, holdout[0], 1, rows, 2, metric, 0, None, pairs)
    parts = search._parts(rows)
    assert np.array_equal(parts[::2], parts[1::2])
    assert np.bincount(parts).tolist() == [800] * 5
    # What one group has taught nobody can judge.
    assert select([trial], trial.y, holdout, metric, groups=pairs, **OPTIONS).thresholds
    assert not select([trial], trial.y, holdout, metric, groups=one, **OPTIONS).thresholds


def test_repeats_are_judged_by_rows(classified):
    table, trials = classified
    metric = get_metric("log_loss", "binary")
    once = select(trials, table.y, table.folds, metric, **OPTIONS)
    doubled = [Twice(trial) for trial in trials]
    both = select(doubled, table.y, np.tile(table.folds, (2, 1)), metric, **OPTIONS)
    assert [member.record.id for member, _ in both.members] == [
        m.record.id for m, _ in once.members
    ]
    assert both.score == pytest.approx(once.score, rel=1e-4)
    assert both.pooling.slope == pytest.approx(once.pooling.slope, rel=1e-2)


def test_probabilities_are_calibrated_even_where_only_their_order_counts(classified):
    table, trials = classified
    found = [
        select(trials, table.y, table.folds, get_metric(key, "binary"), **OPTIONS)
        for key in ("roc_auc", "log_loss")
    ]
    assert all(one.pooling.slope > 1.2 or one.pooling.slope < 0.8 for one in found)


def test_trial_without_all_folds_counts_only_if_there_is_no_other(raced):
    table, lanes = raced
    metric = get_metric("rmse", "regression")
    whole = read_lanes(lanes).usable
    short = replace(whole[0].record, score=0.0, fold_scores=(0.0,))
    partial = replace(whole[0], record=short)
    race_ = Race((partial, *whole[1:]), ())
    assert race_.comparable == whole[1:]
    assert Race((partial,), ()).comparable == (partial,)
    chosen = select(race_.comparable, table.y, table.folds, metric, **OPTIONS)
    board = leaderboard(race_, chosen, metric)
    assert [trial["score"] for trial in board["trials"]][-1] == 0.0


def test_where_a_lane_has_settled_for_one_fold_the_others_are_not_compared(raced):
    _, lanes = raced
    metric = get_metric("rmse", "regression")
    whole = read_lanes(lanes).usable
    single = [replace(t, record=replace(t.record, fold_scores=(0.0,))) for t in whole[1:]]
    race_ = Race((whole[0], *single), ({"folds": 1},))
    assert race_.comparable == tuple(single)
    board = leaderboard(race_, Selection(((single[0], 1.0),), 0.0), metric)
    assert board["trials"][-1]["id"] == whole[0].record.id


def test_member_names_its_models_and_encoders(raced):
    _, lanes = raced
    member = read_lanes(lanes).usable[0].member(0.5)
    assert member.weight == 0.5
    assert len(member.fits) == 3
    assert all((fit.model / "weights.npy").is_file() for fit in member.fits)
    assert all((fit.encoder / "encoder.json").is_file() for fit in member.fits)


def test_leaderboard_has_the_best_first_and_failures_last(raced):
    table, lanes = raced
    found = read_lanes(lanes)
    metric = get_metric("rmse", "regression")
    board = leaderboard(
        found, select(found.usable, table.y, table.folds, metric, **OPTIONS), metric
    )
    scores = [trial["score"] for trial in board["trials"]]
    assert scores[:3] == sorted(scores[:3])
    assert scores[3:] == [None] * 4
    assert [trial["rank"] for trial in board["trials"]] == [1, 2, 3, None, None, None, None]
    assert sum(trial["weight"] for trial in board["trials"]) == pytest.approx(1)
    assert board["counts"] == {"bad_values": 1, "ok": 3, "raised": 3}
    assert board["metric"] == "rmse"
    assert board["greater_is_better"] is False


def test_changed_predictions_are_refused(raced, tmp_path: Path):
    table, _ = raced
    plan = plan_of(table, [Recipe("line")], search={"cores": 1})
    with writing(tmp_path / "lane", "trials") as place:
        race(table, plan, 0, place, toolbox=TOOLBOX)
    (trial,) = read_lanes([tmp_path / "lane"]).trials
    np.save(trial.path / "oof.npy", np.zeros((table.n_rows, 1), np.float32))
    with pytest.raises(ArtifactError, match=r"oof\.npy"):
        trial.oof()
    with pytest.raises(ArtifactError, match=r"oof\.npy"):
        trial.member(1.0)


def test_changed_record_is_refused(raced, tmp_path: Path):
    table, _ = raced
    plan = plan_of(table, [Recipe("line")], search={"cores": 1})
    with writing(tmp_path / "lane", "trials") as place:
        race(table, plan, 0, place, toolbox=TOOLBOX)
    record = next((tmp_path / "lane").glob("*/trial.json"))
    record.write_text(record.read_text().replace('"ok"', '"no"'))
    with pytest.raises(ArtifactError, match=r"trial\.json"):
        read_lanes([tmp_path / "lane"])


def test_error_names_the_most_frequent_reason(raced):
    _, lanes = raced
    error = nothing_succeeded(read_lanes(lanes[1:]), 60)
    assert isinstance(error, SearchError)
    assert "none of 2 trials" in str(error)
    assert "ValueError: the matrix is not to my taste (2 x)" in str(error)


def failed(status: str, reason: str = "") -> Trial:
    return Trial(TrialRecord("x", 0, 0, Recipe("line"), 0, status, reason), Path())


def test_late_trials_ask_for_a_longer_budget():
    error = nothing_succeeded(Race((), ({"least_budget": 31},)), 20)
    assert isinstance(error, BudgetError)
    assert "at least 31 s" in str(error)
    error = nothing_succeeded(Race((failed("timeout", "late"),), ({"least_budget": 18},)), 20)
    assert isinstance(error, BudgetError)
    assert "at least 30 s" in str(error)


def test_refusals_are_no_matter_of_time():
    refused = Race((failed("skipped", "would need about 5 MB"),), ({"least_budget": 1},))
    assert isinstance(nothing_succeeded(refused, 20), SearchError)


def test_lost_lane_is_named():
    error = nothing_succeeded(Race((), ({"lost": "killed by SIGKILL"},)), 60)
    assert isinstance(error, SearchError)
    assert "killed by SIGKILL" in str(error)


@pytest.mark.parametrize("key", sorted(METRICS))
def test_fast_score_is_the_score(key: str):
    metric, rng = METRICS[key], np.random.default_rng(1)
    if "regression" in metric.tasks:
        y, p = rng.uniform(1, 3, 300), rng.uniform(1, 3, (300, 1))
    else:
        y, p = rng.integers(0, 2, 300).astype(float), rng.dirichlet([1, 1], 300)
    assert _score_of(metric, y, p) == pytest.approx(metric.score(y, p), rel=1e-9)


def test_lane_json_is_readable(raced):
    _, lanes = raced
    summary = read_json(lanes[0] / "lane.json")
    assert {"lane", "slots", "memory_bytes", "race_seconds", "least_budget"} <= set(summary)


def test_weighted_rows_decide(raced):
    table, lanes = raced
    trials = read_lanes(lanes).usable
    metric = get_metric("rmse", "regression")
    weights = np.where(np.arange(table.n_rows) % 3 == 0, 2.9, 0.05)
    weights /= weights.mean()
    scored = [
        replace(t, record=replace(t.record, score=metric.score(table.y, t.oof(), weights)))
        for t in trials
    ]
    chosen = select(scored, table.y, table.folds, metric, weights=weights, **OPTIONS)
    blend = sum(weight * trial.oof().astype(float) for trial, weight in chosen.members)
    assert chosen.score == pytest.approx(metric.score(table.y, blend, weights), rel=1e-6)
    assert chosen.score <= min(trial.record.score for trial in scored)
    even = select(trials, table.y, table.folds, metric, weights=np.ones(table.n_rows), **OPTIONS)
    assert even == select(trials, table.y, table.folds, metric, **OPTIONS)
