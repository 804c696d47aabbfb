"""What is particular to single learners; the promises of all are in tests/contract."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from regatta.artifacts.state import State
from regatta.errors import ArtifactError, SettingsError, TrialSkipped
from regatta.learners import LEARNERS, get_learner, learners_for
from regatta.learners.base import FitData, Shape, as_probabilities, check_target
from regatta.learners.forest import ForestModel
from regatta.learners.lightgbm_text import check_text
from regatta.learners.stopping import Stopping
from regatta.learners.xgboost_trees import check_trees
from regatta.testing.contracts import fit_data

SHAPE = Shape("binary", 210, 20, 2)


def fitted(key, task="binary", **params):
    learner = get_learner(key)
    data = fit_data(task, learner.encoding)
    shape = Shape(task, *data.X.shape, data.n_outputs)
    few = {"n_rounds": 20, "n_trees": 9, "epochs": 10}
    known = learner.defaults(shape)
    chosen = {**known, **{name: few[name] for name in few if name in known}, **params}
    return learner.fit(data, chosen, seed=0, threads=1, deadline=time.time() + 60), data


def test_names():
    assert set(learners_for("multiclass")) == {key for key in LEARNERS if LEARNERS[key].installed()}
    with pytest.raises(SettingsError, match="did you mean 'xgboost'"):
        get_learner("xgbost")


def test_a_target_of_one_value_is_no_target():
    data = fit_data("regression", "dense")
    with pytest.raises(TrialSkipped, match="is 7 in all rows"):
        check_target(replace(data, y=np.full(5, 7.0)))
    with pytest.raises(TrialSkipped, match="no rows"):
        check_target(replace(data, y=np.empty(0)))


def test_probabilities_from_what_libraries_give():
    np.testing.assert_allclose(as_probabilities(np.array([0.2])), [[0.8, 0.2]])
    np.testing.assert_allclose(as_probabilities(np.array([[2.0, 1, 1]])), [[0.5, 0.25, 0.25]])


def test_boosting_ends_in_time_and_says_so():
    stopping = Stopping(patience=5, deadline=time.time() - 1)
    assert stopping.ends(0, 1.0)
    assert stopping.truncated


def test_rounds_without_a_number_do_not_count_as_best():
    stopping = Stopping(patience=2, deadline=np.inf)
    assert [stopping.ends(n, loss) for n, loss in enumerate((1.0, np.nan, np.nan))] == [
        False,
        False,
        True,
    ]
    assert stopping.best_round == 0


def test_a_loss_that_hardly_falls_ends_it_and_the_lowest_is_best():
    stopping = Stopping(patience=3, deadline=np.inf)
    losses = (1.0, 0.99999, 0.99998, 0.99997)
    assert [stopping.ends(n, loss) for n, loss in enumerate(losses)] == [False] * 3 + [True]
    assert stopping.best_round == 3
    assert Stopping(patience=3, deadline=np.inf).ends(0, 1e-9)


@pytest.mark.parametrize("key", ["lightgbm", "xgboost", "random_forest", "mlp"])
def test_requests_of_many_rows_and_of_one_are_answered_side_by_side(key, tmp_path, monkeypatch):
    monkeypatch.setattr("regatta.learners.threads.cores", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    model, data = fitted(key)
    model.save(tmp_path)
    loaded = get_learner(key).model.load(tmp_path)
    many = np.tile(data.X_valid, (-(-6_000 // len(data.X_valid)), 1))
    wanted = model.predict(many)

    def ask(rows: int) -> bool:
        found = [loaded.predict(many[:rows]) for _ in range(30_000 // (rows + 50))]
        return all(np.allclose(y, wanted[:rows], rtol=1e-6, atol=1e-9) for y in found)

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(ask, [6_000, 1] * 10))


@pytest.mark.parametrize("key", ["lightgbm", "xgboost", "linear", "mlp"])
def test_a_deadline_is_said(key):
    learner = get_learner(key)
    data = fit_data("binary", learner.encoding)
    params = learner.defaults(SHAPE)
    late = learner.fit(data, params, seed=0, threads=1, deadline=time.time() - 1)
    assert late.truncated


@pytest.mark.parametrize("key", ["extra_trees", "random_forest"])
def test_a_forest_ends_at_the_deadline(key):
    learner = get_learner(key)
    data = fit_data("binary", learner.encoding)
    params = {**learner.defaults(SHAPE), "n_trees": 100_000}
    began = time.time()
    model = learner.fit(data, params, seed=0, threads=1, deadline=began + 0.5)
    assert time.time() - began < 5
    assert model.truncated
    assert np.isfinite(model.predict(data.X_valid)).all()


def test_a_forest_in_batches_is_the_forest_at_once():
    from sklearn.ensemble import ExtraTreesClassifier

    model, data = fitted("extra_trees", n_trees=25)
    params = get_learner("extra_trees").defaults(SHAPE)
    whole = ExtraTreesClassifier(
        25,
        min_samples_leaf=params["min_rows"],
        max_features=params["column_share"],
        random_state=0,
    ).fit(data.X, data.y)
    assert len(model.starts) == 26
    nodes = [estimator.tree_.node_count for estimator in whole.estimators_]
    # The share of columns depends on their number, so only the count of draws must agree.
    if (
        params["column_share"]
        == get_learner("extra_trees").defaults(Shape("binary", *data.X.shape, 2))["column_share"]
    ):
        assert np.diff(model.starts).tolist() == nodes


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("key", ["extra_trees", "random_forest"])
def test_few_rows_and_many_take_the_same_way(key, task, monkeypatch):
    monkeypatch.setattr("regatta.learners.forest.FEW_STEPS", 0)
    model, data = fitted(key, task)
    X = data.X_valid
    alone = np.concatenate([model.predict(X[row : row + 1]) for row in range(len(X))])
    np.testing.assert_allclose(alone, model.predict(X), rtol=1e-9)
    monkeypatch.undo()
    model._trees.clear()
    np.testing.assert_allclose(alone, model.predict(X), rtol=1e-9)
    assert not model._trees


def test_no_probability_of_a_forest_is_zero():
    model, data = fitted("random_forest", "multiclass")
    assert model.predict(data.X_valid).min() > 0


@pytest.mark.parametrize("key", ["extra_trees", "random_forest", "lightgbm", "xgboost"])
def test_matrices_that_cannot_be_written_to(key):
    learner = get_learner(key)
    data = fit_data("regression", "tree")
    fixed = replace(data, X=data.X.copy(), X_valid=data.X_valid.copy())
    for array in (fixed.X, fixed.X_valid):
        array.setflags(write=False)
    assert np.isnan(fixed.X).any()
    params = {**learner.defaults(SHAPE), "n_rounds": 5, "n_trees": 5}
    params = {name: params[name] for name in learner.defaults(SHAPE)}
    model = learner.fit(fixed, params, seed=0, threads=1, deadline=time.time() + 60)
    assert np.isfinite(model.predict(fixed.X_valid)).all()


FOREST_DAMAGE = {
    "a child beyond the tree": ("left", lambda a: np.where(a == a.max(), 10**6, a)),
    "a child before its parent": ("left", lambda a: np.where(a > 0, 0, a)),
    "a leaf that is not there": ("right", lambda a: a + 10**6),
    "a negative leaf": ("right", lambda a: np.where(a >= 0, -5, a)),
    "a column that is not there": ("feature", lambda a: a + 1000),
    "a negative column": ("feature", lambda a: a - 1000),
    "a threshold that is no number": ("threshold", lambda a: a * np.float32(np.nan)),
    "trees without nodes": ("starts", lambda a: np.concatenate([[0], a])),
    "trees in a wrong order": ("starts", lambda a: a[::-1].copy()),
    "no trees": ("starts", lambda a: a[:1]),
    "another type": ("left", lambda a: a.astype(np.int64)),
    "values of other classes": ("values", lambda a: np.hstack([a, a, a])),
    "values that are no numbers": ("values", lambda a: a * np.float32(np.nan)),
}


@pytest.mark.parametrize("damage", FOREST_DAMAGE)
def test_a_damaged_forest_is_refused(damage, tmp_path):
    model, _ = fitted("extra_trees")
    model.save(tmp_path)
    state = State.load(tmp_path, "model")
    name, change = FOREST_DAMAGE[damage]
    State({**state.values, name: change(state.values[name])}).save(tmp_path, "model")
    with pytest.raises(ArtifactError):
        ForestModel.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("left_child=1", "left_child=9999", 1),
        lambda text: text.replace("split_feature=", "split_feature=99999 ", 1),
        lambda text: text.replace("num_leaves=", "num_leaves=9", 1),
        lambda text: text.replace("end of trees", ""),
        lambda text: text.replace("Tree=1\n", "Tree=7\n", 1),
        lambda text: text[: text.index("Tree=1")],
        lambda text: text.replace("num_tree_per_iteration=1", "num_tree_per_iteration=3"),
        lambda text: text.replace("leaf_value=", "leaf_value=nan ", 1),
        lambda text: text.replace("is_linear=0", "is_linear=1", 1),
        lambda text: text.replace("num_class=1", "num_class=9", 1),
        lambda text: text.replace("objective=binary", "objective=lambda", 1),
        lambda text: re.sub(r"left_child=(\d)", r"left_child=0.\1", text, count=1),
        lambda text: re.sub("decision_type=\\d+", "decision_type=99", text, count=1),
        lambda text: "",
    ],
)
def test_a_damaged_lightgbm_model_is_refused(change):
    model, _ = fitted("lightgbm")
    check_text(model.text, 2)
    with pytest.raises((ValueError, KeyError)):
        check_text(change(model.text), 2)


def test_children_and_columns_of_lightgbm_are_checked():
    model, _ = fitted("lightgbm")
    lines = model.text.split("\n")
    for name, wrong in (
        ("left_child", "7"),
        ("left_child", "-99"),
        ("right_child", "0"),
        ("split_feature", "500"),
        ("split_feature", "-1"),
        ("cat_boundaries", "9"),
    ):
        place = next((i for i, line in enumerate(lines) if line.startswith(f"{name}=")), None)
        if place is None:
            continue
        values = lines[place].partition("=")[2].split()
        # Of the same length, so that not the size of the tree gives it away.
        values[0] = wrong.rjust(len(values[0]), "0")[-max(len(values[0]), len(wrong)) :]
        changed = "\n".join([*lines[:place], f"{name}={' '.join(values)}", *lines[place + 1 :]])
        with pytest.raises((ValueError, KeyError)):
            check_text(changed, 2)


def test_lightgbm_uses_native_categories():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 20, (600, 1)).astype(np.float32)
    y = (X[:, 0] % 2).astype(float)
    data = FitData("binary", 2, X[:400], y[:400], X[400:], y[400:], (0,))
    for key in ("lightgbm", "xgboost"):
        learner = get_learner(key)
        params = learner.defaults(Shape("binary", 400, 1, 2)) | {"n_rounds": 100}
        model = learner.fit(data, params, seed=0, threads=1, deadline=time.time() + 60)
        assert np.mean(model.predict(X[400:]).argmax(axis=1) == y[400:]) == 1


def test_lightgbm_learns_from_the_categories_of_a_small_table():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, 240)
    data = FitData(
        X=codes[:200, None].astype(np.float32),
        y=(codes[:200] % 2).astype(float),
        X_valid=codes[200:, None].astype(np.float32),
        y_valid=(codes[200:] % 2).astype(float),
        task="binary",
        n_outputs=2,
        categorical=(0,),
    )
    learner = get_learner("lightgbm")
    params = {**learner.defaults(Shape("binary", 200, 1, 2)), "n_rounds": 50}
    model = learner.fit(data, params, seed=0, threads=1, deadline=time.time() + 60)
    assert ((model.predict(data.X_valid)[:, 1] > 0.5) == data.y_valid).all()


def test_more_categories_than_xgboost_splits_by_are_numbers():
    X = np.arange(500, dtype=np.float32).reshape(-1, 1)
    y = (X[:, 0] > 250).astype(float)
    data = FitData("binary", 2, X, y, X, y, (0,))
    learner = get_learner("xgboost")
    model = learner.fit(
        data, learner.defaults(SHAPE) | {"n_rounds": 9}, seed=0, threads=1, deadline=9e9
    )
    assert b"categories" in model.raw
    assert (model.predict(X).argmax(axis=1) == y).mean() > 0.95


XGBOOST_DAMAGE = {
    "a child beyond the tree": ("left_children", 10**6),
    "a child before its parent": ("left_children", 0),
    "a negative child": ("right_children", -7),
    "a column that is not there": ("split_indices", 1000),
    "a negative column": ("split_indices", -1),
    "a text in place of a number": ("split_conditions", "much"),
    "one node too few": ("default_left", None),
}


@pytest.mark.parametrize("damage", XGBOOST_DAMAGE)
def test_a_damaged_xgboost_model_is_refused(damage, tmp_path):
    model, _ = fitted("xgboost")
    check_trees(model.raw, 2)
    with pytest.raises(ValueError, match="classes"):
        check_trees(model.raw, 3)
    values = json.loads(model.raw)
    name, wrong = XGBOOST_DAMAGE[damage]
    nodes = values["learner"]["gradient_booster"]["model"]["trees"][0][name]
    nodes[:1] = [] if wrong is None else [wrong]
    model.raw = json.dumps(values).encode()
    with pytest.raises((ValueError, KeyError)):
        check_trees(model.raw, 2)
    model.save(tmp_path)
    with pytest.raises(ArtifactError):
        type(model).load(tmp_path)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("gradient_booster.model.tree_info.0", 1),
        ("gradient_booster.model.iteration_indptr", []),
        ("gradient_booster.model.trees.0.parents.1", 10**6),
        ("gradient_booster.model.trees.0.parents.0", 0),
        ("gradient_booster.model.trees.0.split_type.0", 257),
        ("gradient_booster.model.trees.0.tree_param.size_leaf_vector", "2"),
        ("gradient_booster.model.trees.0.categories_nodes", [1, 0]),
        ("learner_model_param.num_target", "3"),
        ("objective.name", "reg:squarederror"),
    ],
)
def test_what_would_end_the_process_is_refused(place, wrong, tmp_path):
    model, _ = fitted("xgboost")
    values = json.loads(model.raw)
    *path, last = place.split(".")
    inner = values["learner"]
    for step in path:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    inner[int(last) if isinstance(inner, list) else last] = wrong
    model.raw = json.dumps(values).encode()
    model.save(tmp_path)
    with pytest.raises(ArtifactError):
        type(model).load(tmp_path)
    (tmp_path / "booster.json").write_text("[" * 200_000)
    with pytest.raises(ArtifactError):
        type(model).load(tmp_path)


def test_a_linear_model_reads_sparse_and_dense_rows():
    model, data = fitted("linear", "multiclass")
    assert sparse.issparse(data.X_valid)
    np.testing.assert_allclose(
        model.predict(data.X_valid), model.predict(data.X_valid.toarray()), atol=1e-5
    )


def test_the_penalty_ends_where_validation_rows_say():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 60)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=80) > 0).astype(float)
    data = FitData("binary", 2, X[:50], y[:50], X[50:], y[50:])
    learner = get_learner("linear")
    params = learner.defaults(SHAPE)
    strong = learner.fit(data, params, seed=0, threads=1, deadline=9e9)
    least = np.abs(strong.linear.weights).sum()
    weak = learner.fit(
        replace(data, X_valid=data.X, y_valid=data.y), params, seed=0, threads=1, deadline=9e9
    )
    assert least < np.abs(weak.linear.weights).sum() / 5


@pytest.mark.parametrize("name", ["present", "scale", "weights", "intercept", "n_outputs"])
def test_a_damaged_linear_model_is_refused(name, tmp_path):
    model, _ = fitted("linear", "multiclass")
    model.save(tmp_path)
    state = State.load(tmp_path, "model")
    value = state.values[name]
    wrong = value[:-1] if isinstance(value, np.ndarray) else 1
    State({**state.values, name: wrong}).save(tmp_path, "model")
    with pytest.raises(ArtifactError):
        type(model).load(tmp_path)


def test_a_network_leaves_large_matrices_alone():
    X = np.zeros((4, 5000), dtype=np.float32)
    y = np.array([0.0, 1, 0, 1])
    learner = get_learner("mlp")
    with pytest.raises(TrialSkipped, match="5000 columns"):
        learner.fit(
            FitData("binary", 2, X, y, X, y),
            learner.defaults(SHAPE),
            seed=0,
            threads=1,
            deadline=9e9,
        )


def test_a_network_learns_what_no_line_can():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 2)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(float)
    data = FitData("binary", 2, X[:800], y[:800], X[800:], y[800:])
    learner = get_learner("mlp")
    params = learner.defaults(Shape("binary", 800, 2, 2))
    model = learner.fit(data, params, seed=0, threads=1, deadline=9e9)
    assert np.mean(model.predict(X[800:]).argmax(axis=1) == y[800:]) > 0.93


def test_targets_far_from_zero_are_no_trouble():
    for key in learners_for("regression"):
        learner = get_learner(key)
        data = fit_data("regression", learner.encoding)
        shape = Shape("regression", *data.X.shape, 1)
        few = {"n_rounds": 40, "n_trees": 20, "epochs": 30}
        params = learner.defaults(shape)
        params |= {name: value for name, value in few.items() if name in params}
        far = replace(data, y=data.y * 1e-3 + 1e6, y_valid=data.y_valid * 1e-3 + 1e6)
        near = learner.fit(data, params, seed=0, threads=1, deadline=9e9).predict(data.X_valid)
        model = learner.fit(far, params, seed=0, threads=1, deadline=9e9)
        back = (model.predict(data.X_valid) - 1e6) * 1e3
        error = np.std(back[:, 0] - data.y_valid)
        assert error < 1.3 * np.std(near[:, 0] - data.y_valid) + 0.1, key
