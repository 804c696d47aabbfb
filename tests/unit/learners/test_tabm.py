"""TabM: NumPy predicts what PyTorch learnt, without it."""

import importlib.util
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

from regatta.artifacts.state import State
from regatta.errors import ArtifactError, SettingsError, TrialSkipped
from regatta.learners import epochs, get_learner, learners_for
from regatta.learners.base import FitData, Shape
from regatta.learners.tabm import TabMLearner, TabMModel
from regatta.learners.tabm_network import Block, Weights, _loss_sum, _Network
from regatta.search.plan import make_plan
from regatta.settings import RunSettings
from regatta.testing.contracts import fit_data
from tests.unit.search.fakes import open_features

FEW = {"submodels": 3, "width": 16, "depth": 2, "epochs": 8}
N_SCORES = {"binary": 1, "multiclass": 3, "regression": 1}


def needs_torch():
    # Found rather than imported, which takes seconds.
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")


def fitted(task="binary", data=None, *, seed=0, threads=1, deadline=9e9, **params):
    needs_torch()
    learner, data = get_learner("tabm"), data or fit_data(task, "dense")
    chosen = learner.defaults(Shape(data.task, *data.X.shape, data.n_outputs)) | FEW | params
    return learner.fit(data, chosen, seed=seed, threads=threads, deadline=deadline), data


def weights(task, n_columns=4, **params):
    """Return weights of which none is like another."""
    rng = np.random.default_rng(1)
    plain = Weights.drawn(n_columns, np.zeros(N_SCORES[task]), FEW | params, rng)
    return Weights.of([rng.normal(size=part.shape).astype(np.float32) for part in plain.parts()])


def written_out(found, X):
    """Return what each submodel says of each row, number by number."""
    every = []
    for j in range(len(found.head)):
        rows = []
        for row in X.astype(np.float64):
            values = list(row)
            for block in found.blocks:
                W, r, s, b = block.weights, block.inward[j], block.outward[j], block.bias[j]
                values = [
                    max(0.0, s[o] * sum(values[i] * r[i] * W[i, o] for i in range(len(r))) + b[o])
                    for o in range(len(s))
                ]
            head, bias = found.head[j], found.bias[j]
            rows.append(
                [
                    sum(values[i] * head[i, o] for i in range(len(values))) + bias[o]
                    for o in range(len(bias))
                ]
            )
        every.append(rows)
    return np.array(every, dtype=np.float64)


@pytest.mark.parametrize("task", N_SCORES)
def test_a_stored_model_predicts_the_mean_of_its_submodels(task, tmp_path):
    X = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
    found, scale = weights(task), np.array([10.0, 3.0] if task == "regression" else [0.0, 1.0])
    arrays = {
        f"{name}{place}": part
        for place, block in enumerate(found.blocks)
        for name, part in zip(("weights", "inward", "outward", "bias"), block.parts(), strict=True)
    }
    rest = {"task": task, "n_blocks": 2, "head": found.head, "head_bias": found.bias}
    State({**arrays, **rest, "scale": scale}).save(tmp_path, "model")
    predicted = get_learner("tabm").model.load(tmp_path).predict(X)
    scores = written_out(found, X)
    if task == "regression":
        wanted = scores.mean(axis=0) * 3 + 10
    elif task == "binary":
        chance = (1 / (1 + np.exp(-scores[:, :, 0]))).mean(axis=0)
        wanted = np.column_stack([1 - chance, chance])
    else:
        powers = np.exp(scores - scores.max(axis=2, keepdims=True))
        wanted = (powers / powers.sum(axis=2, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(predicted, wanted, rtol=1e-6)


def test_golden_numbers():
    # Two submodels of one unit each, by hand: of the row (1, 2) the first makes relu(1 - 4) = 0
    # and 5; the second relu((1 + 4) * 2 + 1) = 11 and 11 * 3 - 1 = 32; the mean is 18.5.
    block = Block(
        *(
            np.array(part, dtype=np.float32)
            for part in ([[1], [2]], [[1, -1], [1, 1]], [[1], [2]], [[0], [1]])
        )
    )
    head, bias = (np.array(part, dtype=np.float32) for part in ([[[7]], [[3]]], [[5], [-1]]))
    model = TabMModel(Weights([block], head, bias), "regression", np.array([0.5, 2.0]))
    row = np.array([[1, 2]], dtype=np.float32)
    assert model.predict(row).tolist() == [[37.5]]


def test_rows_come_in_chunks(monkeypatch):
    found, X = weights("multiclass"), np.random.default_rng(2).normal(size=(50, 4))
    X = X.astype(np.float32)
    whole = TabMModel(found, "multiclass", np.array([0.0, 1.0])).predict(X)
    monkeypatch.setattr("regatta.learners.tabm.CHUNK_CELLS", 500)
    model = TabMModel(found, "multiclass", np.array([0.0, 1.0]))
    assert model._chunk_rows < 20
    np.testing.assert_allclose(model.predict(X), whole, rtol=1e-12)
    alone = np.concatenate([model.predict(X[row : row + 1]) for row in range(len(X))])
    np.testing.assert_allclose(alone, whole, rtol=1e-12)
    assert model.predict(X[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match="columns; fitted on"):
        model.predict(X[:, 1:])


DAMAGE = {
    "another task": ("task", lambda a: "binary"),
    "no layers": ("n_blocks", lambda a: 0),
    "one layer too few": ("n_blocks", lambda a: a - 1),
    "one layer too many": ("n_blocks", lambda a: a + 1),
    "no submodels": ("head", lambda a: a[:0]),
    "one submodel too few": ("head", lambda a: a[1:]),
    "a head of other layers": ("head", lambda a: a[:, 1:]),
    "no classes": ("head", lambda a: a[:, :, :0]),
    "a class too few": ("head_bias", lambda a: a[:, 1:]),
    "a matrix of another type": ("weights0", lambda a: a.astype(np.float64)),
    "a matrix of other columns": ("weights0", lambda a: a[1:]),
    "a matrix that does not follow": ("weights1", lambda a: a[1:]),
    "weights that are no numbers": ("weights1", lambda a: a * np.float32(np.nan)),
    "factors of other columns": ("inward0", lambda a: a[:, 1:]),
    "factors of one submodel": ("outward1", lambda a: a[0]),
    "summands that are no numbers": ("bias1", lambda a: a * np.float32(np.inf)),
    "a scale that is no number": ("scale", lambda a: a * np.nan),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_refused(damage, tmp_path):
    TabMModel(weights("multiclass"), "multiclass", np.array([1.0, 1.0])).save(tmp_path)
    state = State.load(tmp_path, "model")
    name, change = DAMAGE[damage]
    State({**state.values, name: change(state.values[name])}).save(tmp_path, "model")
    with pytest.raises(ArtifactError):
        TabMModel.load(tmp_path)


def test_the_loss_is_that_of_the_mean_prediction():
    scores = np.log(np.array([[[1.0, 3.0]], [[3.0, 1.0]]]))
    assert _loss_sum(scores, np.array([1.0]), "multiclass") == pytest.approx(np.log(2))
    one = scores[:, :, 1:]
    chance = (3 / 4 + 1 / 2) / 2
    assert _loss_sum(one, np.array([1.0]), "binary") == pytest.approx(-np.log(chance))
    assert _loss_sum(one, np.array([2.0]), "regression") == pytest.approx((2 - np.log(3) / 2) ** 2)


def test_columns_beyond_measure_are_skipped():
    learner = get_learner("tabm")
    for width in (0, 3001):
        X = np.zeros((4, width), dtype=np.float32)
        data = FitData("regression", 1, X, np.arange(4.0), X, np.arange(4.0))
        params = learner.defaults(Shape("regression", 4, width, 1))
        with pytest.raises(TrialSkipped, match=f"4 rows and {width} columns"):
            learner.fit(data, params, seed=0, threads=1, deadline=9e9)


def test_larger_tables_get_smaller_networks():
    learner = get_learner("tabm")
    few, many = (learner.defaults(Shape("binary", n_rows, 20, 2)) for n_rows in (1_000, 1_000_000))
    assert many["submodels"] < few["submodels"]
    assert many["batch"] > few["batch"]


def test_regatta_does_not_import_it():
    code = "import regatta.learners, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_package_it_does_not_race(tmp_path, monkeypatch):
    monkeypatch.setattr(TabMLearner, "package", "a_package_that_is_not_there")
    assert "tabm" not in learners_for("binary")
    table = open_features(tmp_path / "features")
    budget = {"budget": {"seconds": 60}}
    assert "tabm" not in make_plan(table, RunSettings.from_values(budget)).learners
    named = RunSettings.from_values({**budget, "search": {"learners": ["tabm"]}})
    with pytest.raises(SettingsError, match="install regatta"):
        make_plan(table, named)


def test_with_the_package_it_races(tmp_path):
    needs_torch()
    table = open_features(tmp_path / "features")
    plan = make_plan(table, RunSettings.from_values({"budget": {"seconds": 60}}))
    assert plan.learners.index("tabm") > plan.learners.index("mlp")


@pytest.mark.parametrize("task", N_SCORES)
def test_numpy_predicts_what_torch_does(task):
    needs_torch()
    import torch

    found, rng = weights(task), np.random.default_rng(3)
    found.head[:] *= np.float32(0.05)
    X = rng.normal(size=(40, 4)).astype(np.float32)
    network = _Network(torch, found, task, get_learner("tabm").defaults(SHAPE) | FEW, rng)
    with torch.no_grad():
        scores = network._scores(torch.from_numpy(X), learning=False)
    if task == "binary":
        chance = torch.sigmoid(scores[:, :, 0]).mean(0).numpy()
        wanted = np.column_stack([1 - chance, chance])
    else:
        wanted = (scores if task == "regression" else torch.softmax(scores, 2)).mean(0).numpy()
    predicted = TabMModel(found, task, np.array([0.0, 1.0])).predict(X)
    np.testing.assert_allclose(predicted, wanted, rtol=1e-5, atol=1e-5)


SHAPE = Shape("binary", 210, 20, 2)


@pytest.mark.parametrize("task", N_SCORES)
def test_a_step_follows_the_mean_of_the_losses_of_the_submodels(task):
    needs_torch()
    import torch

    rng = np.random.default_rng(3)
    params = get_learner("tabm").defaults(SHAPE) | FEW | {"dropout": 0.0}
    found = weights(task)
    # Where scores are far apart the losses are cut off.
    found.head[:] *= np.float32(0.05)
    network = _Network(torch, found, task, params, rng)
    X = rng.normal(size=(9, 4)).astype(np.float32)
    y = np.arange(9.0) % N_SCORES[task] if task == "multiclass" else np.arange(9.0) % 2
    scores = network._scores(torch.from_numpy(X), learning=True).detach().numpy()
    each = [_loss_sum(scores[j : j + 1].astype(np.float64), y, task) / 9 for j in range(3)]
    loss = network.loss(torch.from_numpy(X), y)
    assert loss.item() == pytest.approx(np.mean(each), rel=1e-4)


@pytest.mark.parametrize("task", N_SCORES)
def test_a_fitted_model_predicts_without_the_package(task, tmp_path, monkeypatch):
    model, data = fitted(task)
    model.save(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    loaded = get_learner("tabm").model.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(data.X_valid), model.predict(data.X_valid))


def test_the_same_seed_makes_the_same_model_and_leaves_no_trace():
    needs_torch()
    import torch

    before, state = torch.get_num_threads(), torch.get_rng_state()
    one, data = fitted("multiclass", seed=5)
    other, _ = fitted("multiclass", seed=5)
    third, _ = fitted("multiclass", seed=6)
    np.testing.assert_array_equal(one.predict(data.X_valid), other.predict(data.X_valid))
    assert not np.allclose(one.predict(data.X_valid), third.predict(data.X_valid))
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_it_uses_so_many_threads(monkeypatch):
    needs_torch()
    import torch

    used = []
    step = _Network._step
    monkeypatch.setattr(
        _Network, "_step", lambda *args: (used.append(torch.get_num_threads()), step(*args))
    )
    fitted(threads=2, epochs=1)
    fitted(threads=1, epochs=1)
    assert set(used) == {1, 2}


def test_it_ends_at_the_deadline(monkeypatch):
    needs_torch()
    monkeypatch.setattr(epochs, "_patience", lambda most, useful: most)
    import torch  # noqa: F401  Importing it takes longer than the fit.

    data = fit_data("binary", "dense")
    began = time.time()
    model, _ = fitted(data=data, deadline=began + 1.0, epochs=10**6, patience=10**6)
    assert time.time() - began < 5
    assert model.truncated
    late, _ = fitted(data=data, deadline=began)
    assert late.truncated
    share = np.mean(data.y)
    np.testing.assert_allclose(late.predict(data.X_valid)[:, 1], share, atol=0.1)


def test_few_rows_and_columns_that_do_not_vary():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=60), np.zeros(60), np.ones(60)]).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.float64)
    for array in (X, y):
        array.setflags(write=False)
    data = FitData("binary", 2, X[:50], y[:50], X[50:], y[50:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, _ = fitted(data=data, epochs=60, batch=256)
    assert not model.truncated
    assert (model.predict(data.X_valid).argmax(axis=1) == data.y_valid).mean() >= 0.8


def test_what_is_not_finite_does_not_spoil_it():
    data = fit_data("regression", "dense")
    X = data.X.copy()
    X[::7, 0] = np.inf
    X[3, 1] = np.nan
    model, _ = fitted(data=replace(data, X=X), epochs=3)
    assert np.isfinite(model.predict(data.X_valid)).all()


def test_many_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 3)).astype(np.float32)
    y = np.arange(1200.0) % 1000
    data = FitData("multiclass", 1000, X[:1100], y[:1100], X[1100:], y[1100:])
    model, _ = fitted(data=data, epochs=1)
    predicted = model.predict(data.X_valid)
    assert predicted.shape == (100, 1000)
    np.testing.assert_allclose(predicted.sum(axis=1), 1)


def test_it_learns_what_no_line_can():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 2)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(float)
    data = FitData("binary", 2, X[:800], y[:800], X[800:], y[800:])
    model, _ = fitted(data=data, submodels=8, width=64, epochs=40)
    assert np.mean(model.predict(X[800:]).argmax(axis=1) == y[800:]) > 0.93
