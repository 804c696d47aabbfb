"""What each encoder makes of features; the promises of all are in tests/contract."""

import time
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from regatta.artifacts.state import State
from regatta.dataset.schema import Column, Schema
from regatta.errors import ArtifactError, SettingsError
from regatta.features import RowFeatures, encoders
from regatta.features.encoders import dense
from regatta.features.encoders.categories import Categories, count_labels, look_up
from regatta.features.encoders.pieces import Pieces
from regatta.features.encoders.targets import TargetMeans, target_columns
from regatta.features.encoders.text import TermWeights, TextScores, keeping
from regatta.features.words import text_terms
from regatta.testing.contracts import toy_features


def encode(key, table, y, kinds, task="binary", n_outputs=2, deadline=60.0):
    columns = tuple(Column(name, kind, "") for name, kind in kinds.items())
    rows = RowFeatures.plan(Schema(task, "y", (), columns, len(table)))
    encoder = encoders.create(key, rows)
    frame = rows.transform(table)
    X = encoder.fit_transform(frame, y, task, n_outputs, 0, time.time() + deadline)
    return encoder, X, rows


def test_an_unknown_encoder_has_a_nearest_name():
    with pytest.raises(SettingsError, match="did you mean 'tree'"):
        encoders.create("trees", toy_features("binary")[0])


def test_a_folder_without_encoder_is_refused(tmp_path):
    with pytest.raises(ArtifactError):
        encoders.load(tmp_path)
    State({"key": "forest"}).save(tmp_path, "encoder")
    with pytest.raises(ArtifactError, match="'forest'"):
        encoders.load(tmp_path)


@pytest.mark.parametrize("key", ["tree", "linear", "dense"])
def test_a_name_says_more_than_its_words(key):
    rng = np.random.default_rng(0)
    names = [" ".join(order) for order in permutations(("green", "old", "mill", "river"))]
    place = rng.integers(0, len(names), 2_000)
    y = rng.normal(size=len(names))[place]
    table, half = pd.DataFrame({"shop": np.array(names)[place]}), len(y) // 2
    parts = {}
    for unique in (len(names), len(table)):
        column = Column("shop", "text", "string", unique=unique)
        rows = RowFeatures.plan(Schema("regression", "y", (), (column,), len(table)))
        encoder, frame = encoders.create(key, rows), rows.transform(table)
        X = encoder.fit_transform(frame[:half], y[:half], "regression", 1, 0, time.time() + 60)
        other = encoder.transform(frame[half:])
        line = Ridge(1e-3).fit(X, y[:half])
        parts[unique] = line.score(other, y[half:])
    assert parts[len(names)] > 0.9 > 0.5 > parts[len(table)]


@pytest.mark.parametrize("stored", [True, False])
def test_codes_follow_the_target_where_values_are_few(stored):
    rng = np.random.default_rng(0)
    labels = np.array(["mid", "low", "high"])
    place = rng.integers(0, 3, 900)
    y = (rng.random(900) < np.array([0.5, 0.1, 0.9])[place]).astype(float)
    table = pd.DataFrame({"c": labels[place]})
    if stored:
        table["c"] = table["c"].astype("category")
    encoder, _, rows = encode("tree", table, y, {"c": "categorical"})
    assert encoder.categorical == (0,)
    codes = encoder.transform(rows.transform(pd.DataFrame({"c": ["low", "mid", "high"]})))
    assert codes[:, 0].tolist() == [0.0, 1.0, 2.0]
    unseen = encoder.transform(rows.transform(pd.DataFrame({"c": ["other", None]})))
    assert np.isnan(unseen).all()


def test_rare_values_share_a_code_with_unseen_ones():
    values = ["a"] * 50 + ["b"] * 49 + ["once"]
    frame = {"c": np.array(values, dtype=object)}
    categories = Categories.fit(frame, ["c"], most=10)
    other = {"c": np.array(["a", "once", "never", None], dtype=object)}
    assert categories.codes(other, 0).tolist() == [0, 2, 2, -1]
    assert categories.width(0) == 3


def test_no_more_codes_than_wanted():
    frame = {"c": np.array([str(i) for i in range(3000)] * 2, dtype=object)}
    categories = Categories.fit(frame, ["c"], most=1000)
    assert len(categories.labels[0]) == 1000


def test_stored_and_plain_categories_count_the_same():
    plain = np.array(["a", None, "b", "a"], dtype=object)
    stored = pd.Categorical(plain, categories=["b", "unused", "a"])
    for values in (plain, stored):
        labels, counts, missing = count_labels(values)
        assert dict(zip(labels, counts.tolist(), strict=True)) == {"a": 2, "b": 1}
        assert missing == 1
        assert look_up(values, {"a": 5}, -1, 9).tolist() == [5, -1, 9, 5]


def test_many_values_get_target_means():
    rng = np.random.default_rng(0)
    place = rng.integers(0, 200, 6000)
    chance = rng.random(200)
    y = (rng.random(6000) < chance[place]).astype(float)
    encoder, X, rows = encode(
        "tree", pd.DataFrame({"c": place.astype(str)}), y, {"c": "categorical"}
    )
    assert encoder.names == ["c", "c:target0", "c:rows"]
    assert np.corrcoef(X[:, 1], chance[place])[0, 1] > 0.8
    mean = encoder.transform(rows.transform(pd.DataFrame({"c": ["17", "never", None]})))[:, 1]
    assert abs(mean[0] - y[place == 17].mean()) < 0.25
    assert abs(mean[1] - y.mean()) < 0.1


def test_target_means_of_training_rows_are_out_of_fold():
    frame = {"c": np.array([str(i) for i in range(500)] * 2, dtype=object)}
    y = np.tile(np.random.default_rng(1).integers(0, 2, 500), 2).astype(float)
    y[500:] = 1 - y[500:]
    _, encoded = TargetMeans.fit_transform(frame, ["c"], target_columns(y, "binary", 2), 0)
    # Each value has one row of each class: a row's own target would show as a positive relation.
    assert np.corrcoef(encoded[:, 0], y)[0, 1] < 0


def test_targets_of_many_classes_are_those_of_the_most_frequent():
    y = np.repeat(np.arange(40), np.arange(1, 41)).astype(float)
    found = target_columns(y, "multiclass", 40)
    assert found.shape == (len(y), 10)
    assert found.sum() == sum(range(31, 41))


def test_columns_that_do_not_vary_are_left_out_and_one_is_left():
    table = pd.DataFrame({"a": [1.0] * 40, "b": [np.nan] * 40, "c": ["x"] * 40})
    kinds = {"a": "numeric", "b": "numeric", "c": "categorical"}
    encoder, X, _ = encode("tree", table, np.arange(40) % 2 * 1.0, kinds)
    assert encoder.names == ["nothing"]
    assert not X.any()
    for key in ("linear", "dense"):
        assert encode(key, table, np.arange(40) % 2 * 1.0, kinds)[1].shape == (40, 0)


def test_skewed_numbers_are_bent_and_missing_ones_flagged():
    rng = np.random.default_rng(0)
    values = rng.lognormal(0, 2, 1000)
    values[:100] = np.nan
    encoder, X, _ = encode(
        "dense", pd.DataFrame({"a": values}), rng.integers(0, 2, 1000) * 1.0, {"a": "numeric"}
    )
    assert encoder.names[:2] == ["a", "a:missing"]
    assert abs(X[100:, 0].mean()) < 0.01
    assert np.abs(X[:, 0]).max() <= 10
    assert X[:100, 1].all()
    assert not X[:100, 2:].any()


def test_hats_add_up_to_one_and_ramps_rise():
    frame = {"a": np.random.default_rng(0).normal(size=500).astype(np.float32)}
    pieces = Pieces.fit(frame, ["a"], most=8, in_all=100, seed=0)
    inside = np.array([-9.0, 0.0, 0.1, 9.0, np.nan], dtype=np.float32)
    ((below, share, width),) = pieces.hats({"a": inside})
    assert width == 9
    assert below.tolist()[0] == 0
    assert below.tolist()[3:] == [7, -1]
    assert ((share >= 0) & (share <= 1)).all()
    ramps = pieces.ramps({"a": inside})
    assert ramps.sum(axis=1).tolist()[0] == 0
    assert ramps.sum(axis=1).tolist()[3:] == [8, 0]
    assert (np.diff(ramps[:4].sum(axis=1)) > 0).all()


def test_what_is_not_the_usual_value_has_pieces_of_its_own():
    amounts = np.random.default_rng(3).lognormal(8, 1, 400)
    for usual, below in ((0.0, 0), (3_000.0, 200)):
        column = np.concatenate([np.full(3_600, usual), amounts])
        frame = pd.DataFrame({"a": np.random.default_rng(4).permutation(column)})
        pieces = Pieces.fit(frame, ["a"], most=16, in_all=100, seed=0)
        (edges,) = pieces.edges
        assert usual in edges
        # Each piece has about as many of the amounts; the usual value has one.
        counts, _ = np.histogram(amounts, edges)
        assert len(counts) >= 14
        assert np.count_nonzero(counts[1:-1] > 20) >= 11
        assert below == 0 or np.count_nonzero(edges < usual) > 3
    # Where no value is that frequent, edges are quantiles.
    frame = pd.DataFrame({"a": np.concatenate([np.zeros(1_900), np.arange(1.0, 2_101.0)])})
    (edges,) = Pieces.fit(frame, ["a"], most=4, in_all=100, seed=0).edges
    assert edges == pytest.approx(np.unique(np.quantile(frame["a"], [0, 0.25, 0.5, 0.75, 1])))


def test_few_rows_or_many_columns_have_no_pieces():
    frame = {"a": np.arange(40, dtype=np.float32)}
    assert Pieces.fit(frame, ["a"], most=8, in_all=100, seed=0).names == []
    frame = {str(i): np.arange(1000, dtype=np.float32) for i in range(60)}
    assert Pieces.fit(frame, list(frame), most=8, in_all=100, seed=0).names == []


@pytest.mark.parametrize("key", ["linear", "dense"])
def test_rows_in_parts_are_the_rows_at_once(key, monkeypatch):
    rows, frame, y, _ = toy_features("multiclass")
    encoder = encoders.create(key, rows)
    encoder.fit_transform(frame, y, "multiclass", 3, 0, time.time() + 60)
    whole = encoder.transform(frame)
    monkeypatch.setattr(f"regatta.features.encoders.{key}.CHUNK_ROWS", 7)
    parts = encoder.transform({name: frame[name].to_numpy() for name in frame})
    assert abs(whole - parts).max() < 1e-6


def test_hours_become_indicators_for_linear_models():
    moments = pd.Series(pd.date_range("2024-01-01", periods=500, freq="h"))
    encoder, X, _ = encode(
        "linear", pd.DataFrame({"t": moments}), np.arange(500) % 2 * 1.0, {"t": "datetime"}
    )
    places = [encoder.names.index(f"t:hour={hour}") for hour in range(24)]
    np.testing.assert_array_equal(X[:, places].toarray().argmax(axis=1), moments.dt.hour)


def texts_and_classes(n_rows=600):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n_rows).astype(float)
    words = np.array(["bad awful broken", "good fine happy"])
    filler = rng.choice(["the", "a", "one", "that"], (n_rows, 4))
    mood = np.where(rng.random(n_rows) < 0.85, y, 1 - y).astype(int)
    texts = [
        f"{' '.join(some)} {words[kind].split()[rng.integers(3)]}"
        for some, kind in zip(filler, mood, strict=True)
    ]
    return pd.DataFrame({"t": texts}), y


def test_text_says_what_it_says():
    table, y = texts_and_classes()
    encoder, X, _ = encode("tree", table, y, {"t": "text"})
    score = X[:, encoder.names.index("text:0")]
    assert np.mean((score > 0) == y) > 0.8


def test_text_is_fitted_once_for_all_encoders(tmp_path):
    table, y = texts_and_classes()
    encoder, alone, _ = encode("dense", table, y, {"t": "text"})
    with keeping(tmp_path / "text"):
        encode("tree", table, y, {"t": "text"})
        (kept,) = (tmp_path / "text").iterdir()
        stamp = kept.stat().st_mtime_ns
        other, shared, _ = encode("dense", table, y, {"t": "text"})
        encode("tree", table, 1 - y, {"t": "text"})
        encode("tree", table, y, {"t": "text"}, deadline=-1.0)
    assert kept.stat().st_mtime_ns == stamp
    assert len(list((tmp_path / "text").iterdir())) == 2
    assert other.names == encoder.names
    np.testing.assert_array_equal(alone, shared)


def test_text_without_signal_leaves_no_trace():
    table, _ = texts_and_classes()
    y = np.random.default_rng(5).integers(0, 2, len(table)).astype(float)
    encoder, X, _ = encode("tree", table, y, {"t": "text"})
    assert abs(np.corrcoef(X[:, encoder.names.index("text:0")], y)[0, 1]) < 0.15


@pytest.mark.parametrize("key", ["tree", "dense"])
def test_text_is_left_out_when_time_is_short(key):
    table, y = texts_and_classes()
    encoder, X, _ = encode(key, table, y, {"t": "text"}, deadline=-1.0)
    assert "text:0" not in encoder.names
    assert X.shape == (len(y), len(encoder.names))


def test_weighted_terms_have_length_one():
    terms = text_terms(["good day", "good night", "good day", "good day", None, "unknown"], 10)
    words = TermWeights.fit({"t": terms}, ["t"])
    X = words.transform({"t": terms})
    found = np.sqrt(np.asarray(X.multiply(X).sum(axis=1))).ravel()
    np.testing.assert_allclose(found, [1, 1, 1, 1, 0, 0], atol=1e-6)


def test_texts_without_frequent_words_have_no_scores():
    terms = text_terms(["one", "two", None], 10)
    y = np.array([0.0, 1.0, 1.0])
    assert TextScores.fit_transform({"t": terms}, ["t"], y, "binary", 2, 0, time.time() + 9) is None


def test_a_wide_table_does_not_grow():
    rng = np.random.default_rng(0)
    numeric = {f"x{i}": rng.normal(size=60) for i in range(1500)}
    labelled = {f"c{i}": rng.choice(list("abcdef"), 60) for i in range(500)}
    kinds = dict.fromkeys(numeric, "numeric") | dict.fromkeys(labelled, "categorical")
    table = pd.DataFrame(numeric | labelled)
    y = np.arange(60) % 2 * 1.0
    for key, most in (("tree", 2000), ("linear", 5500), ("dense", 5500)):
        _, X, _ = encode(key, table, y, kinds)
        assert X.shape[1] <= most


@pytest.mark.parametrize("key", ["tree", "linear", "dense"])
def test_values_that_do_not_fit_together_are_refused(key, tmp_path):
    rows, frame, y, _ = toy_features("binary")
    encoder = encoders.create(key, rows)
    encoder.fit_transform(frame, y, "binary", 2, 0, time.time() + 60)
    encoder.save(tmp_path)
    whole = State.load(tmp_path, "encoder").values
    for name, value in whole.items():
        if isinstance(value, np.ndarray):
            others = [value[:-1] if len(value) else np.ones(3, value.dtype), value.astype("U")]
        elif isinstance(value, list):
            others = ["text", [*value, "one more"]] if value else ["text"]
        else:
            others = [-1, "text"]
        for other in others:
            State({**whole, name: other}).save(tmp_path, "encoder")
            with pytest.raises(ArtifactError):
                encoders.load(tmp_path)


def test_the_narrowest_columns_have_indicators_where_there_is_no_room_for_all(monkeypatch):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "many": rng.choice([f"m{i}" for i in range(40)], 3_000),
            "two": rng.choice(["a", "b"], 3_000),
        }
    )
    columns = tuple(Column(name, "categorical", "string") for name in table)
    rows = RowFeatures.plan(Schema("binary", "y", ("no", "yes"), columns, len(table)))
    frame, y = rows.transform(table), rng.integers(0, 2, len(table)).astype(float)

    def names() -> list[str]:
        encoder = encoders.create("dense", rows)
        encoder.fit_transform(frame, y, "binary", 2, 0, time.time() + 60)
        return encoder.names

    # Frequent values of many have one beside their means.
    assert {"two=0", "two=1", "many=0", "many=39", "many:target0"} <= set(names())
    monkeypatch.setattr(dense, "MOST_INDICATORS", 10)
    assert {name.partition("=")[0] for name in names() if "=" in name} == {"two"}
    assert "many:target0" in names()
