"""Monitor: from a bundle that evaluate released and a table to a verdict."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regatta import bundle as bundles
from regatta.artifacts import open_artifact, read_json
from regatta.errors import ArtifactError, DataError, RegattaError, RequestError, SettingsError
from regatta.monitoring import Reference, by_chance, measure
from regatta.registry import Registry
from regatta.settings import RunSettings
from regatta.stages import monitor
from tests import toy_bundle
from tests.unit.stages.test_evaluate import LOCKED, METRICS, make, make_together

OUTPUTS = ("drift", "out/report.html", "out/metrics.json")


@pytest.fixture(scope="module", params=list(METRICS))
def released(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    inputs = make(folder, request.param)
    inputs.run()
    return inputs


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    inputs = make(tmp_path_factory.mktemp("only"), "binary", learners=("linear",))
    inputs.run()
    return inputs


def check(model: object, table: pd.DataFrame, folder: Path, **more: Any) -> dict:
    source = folder / "served.parquet"
    table.to_parquet(source, index=False)
    return check_file(model, source, folder, **more)


def check_file(model: object, source: Path, folder: Path, **more: Any) -> dict:
    values = {"data": {"source": str(source)}, "evaluate": {"resamples": 200}, "monitor": more}
    chosen = RunSettings.from_values(values).to_json()
    return monitor.run(str(model), chosen, *(str(folder / name) for name in OUTPUTS))


def test_the_reference_holds_counts_of_all_rows_and_none_of_them(released):
    reference = Reference.open(released.folder / "model")
    assert {column.bins.name for column in reference.columns} == set(toy_bundle.KINDS) - {"key"}
    assert {int(column.counts.sum()) for column in reference.columns} == {len(released.table)}
    # What the model said before it knew the rows.
    assert reference.predictions.counts.sum() == LOCKED
    assert reference.metric["score"] == released.read()["metric"]["score"]
    assert sum(reference.shares().values()) == pytest.approx(1)
    text = (released.folder / "model" / "reference.json").read_text(encoding="utf-8")
    assert released.table["review"].dropna().iloc[0] not in text
    assert json.loads(json.dumps(Reference.from_dict(json.loads(text)).to_dict())) == json.loads(
        text
    )


def test_the_rows_themselves_are_steady(released, tmp_path):
    found = check(released.folder / "model", released.table, tmp_path)
    assert found["verdict"] == "steady"
    values = read_json(open_artifact(tmp_path / "drift", "drift").file("drift.json"))
    assert values["n_rows"] == values["n_reference"] == len(released.table)
    assert {column["psi"] for column in values["columns"]} == {0.0}
    assert values["score"]["n_rows"] == len(released.table)
    assert json.loads((tmp_path / OUTPUTS[2]).read_text()) == found["metrics"]
    assert all(np.isfinite(list(found["metrics"].values())))
    page = (tmp_path / OUTPUTS[1]).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Nothing to do" in page


@pytest.mark.parametrize("n_rows", [1, 7, 50])
def test_few_rows_raise_no_alarm(released, tmp_path, n_rows):
    rows = toy_bundle.table_of(released.task, 1000).sample(n_rows, random_state=n_rows)
    # The toy was fitted on the rows that it was measured on: of other rows it knows less.
    rows = rows.drop(columns="outcome")
    assert check(released.folder / "model", rows, tmp_path)["verdict"] == "steady"


def test_important_columns_that_shift_ask_for_a_retrain(released, tmp_path):
    reference = Reference.open(released.folder / "model")
    weights = reference.shares()
    served = released.table.drop(columns="outcome")
    served["age"] = served["age"] + 40
    found = check(released.folder / "model", served, tmp_path)
    moved = [column for column in found["values"]["columns"] if column["drifted"]]
    assert [column["name"] for column in moved] == ["age"]
    assert moved[0]["importance"] == weights["age"]
    assert weights["age"] > 0.1
    assert found["verdict"] == "retrain"
    # The same drift, in a column that matters less than what would matter.
    assert check(released.folder / "model", served, tmp_path, importance=1)["verdict"] == "drifted"
    assert check(released.folder / "model", served, tmp_path, ignore=["age"])["verdict"] in (
        "steady",
        "drifted",
    )


def test_a_truth_that_has_turned_asks_for_a_retrain(released, tmp_path):
    served = released.table.copy()
    served["outcome"] = served["outcome"].to_numpy()[::-1]
    found = check(released.folder / "model", served, tmp_path)
    score = found["values"]["score"]
    assert (found["verdict"], score["outcome"]) == ("retrain", "worse")
    assert f"{METRICS[released.task]}_at_release" in found["metrics"]
    assert "It predicts worse" in (tmp_path / OUTPUTS[1]).read_text(encoding="utf-8")


def test_missing_values_and_new_categories_are_shares(binary, tmp_path):
    served = binary.table.copy()
    served.loc[served.index[::2], "city"] = "Atlantis"
    served.loc[served.index[::4], "income"] = np.nan
    found = check(binary.folder / "model", served, tmp_path)
    columns = {column["name"]: column for column in found["values"]["columns"]}
    assert columns["city"]["unseen"] == (0.0, 0.5)
    before = binary.table["income"].isna().mean()
    assert columns["income"]["missing"] == (before, served["income"].isna().mean())
    assert columns["city"]["drifted"]


def test_files_of_all_kinds_and_columns_that_the_model_does_not_read(binary, tmp_path):
    table = binary.table.drop(columns=["outcome", "key"]).assign(more="x")
    table.to_csv(tmp_path / "a.csv", index=False, sep=";")
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True, date_format="iso")
    for name in ("a.csv", "a.jsonl"):
        found = check_file(binary.folder / "model", tmp_path / name, tmp_path)
        assert {column["psi"] for column in found["values"]["columns"]} == {0.0}
        assert found["values"]["score"]["outcome"] == "unknown"


def test_large_tables_are_drawn_from(binary, tmp_path):
    table = pd.concat([binary.table] * 3)
    found = check(binary.folder / "model", table, tmp_path, max_rows=100)
    assert (found["values"]["n_rows"], found["values"]["compared"]) == (600, 100)
    assert "drawn at random" in (tmp_path / OUTPUTS[1]).read_text(encoding="utf-8")


def test_rows_of_a_group_count_as_one(tmp_path):
    inputs, *_ = make_together(tmp_path, group="key")
    inputs.run()
    reference = Reference.open(inputs.folder / "model")
    n_rows = len(inputs.table)
    assert {column.groups for column in reference.columns} == {n_rows}
    assert reference.predictions.groups == inputs.read()["split"]["n_groups"]

    def values(served: pd.DataFrame) -> dict:
        return check(inputs.folder / "model", served, tmp_path)["values"]

    alone = values(inputs.table)
    assert (alone["n_groups"], alone["score"]["ungrouped"]) == (n_rows, False)
    few = values(inputs.table.assign(key=np.arange(n_rows) % 10))
    assert (few["n_groups"], few["score"]["ungrouped"]) == (10, False)
    for one, other in zip(
        [few["predictions"], *few["columns"]],
        [alone["predictions"], *alone["columns"]],
        strict=True,
    ):
        assert one["by_chance"] > 5 * other["by_chance"] > 0
    assert "reckoned with 10 groups" in (tmp_path / OUTPUTS[1]).read_text(encoding="utf-8")
    absent = values(inputs.table.drop(columns="key"))
    assert (absent["n_groups"], absent["score"]["ungrouped"]) == (0, True)
    page = (tmp_path / OUTPUTS[1]).read_text(encoding="utf-8")
    assert "At release rows were of groups" in page
    assert "At release its interval was that of whole groups" in page


def test_a_registered_version_keeps_its_reference(binary, tmp_path, regatta_home):
    Registry(regatta_home / "registry").register(binary.folder / "model", "toy", verdict="promote")
    found = check("toy@champion", binary.table, tmp_path)
    assert (found["values"]["name"], found["values"]["version"]) == ("toy", "1")
    assert "toy@1" in (tmp_path / OUTPUTS[1]).read_text(encoding="utf-8")


def test_older_versions_are_refused_with_one_message(tmp_path):
    table = toy_bundle.build(tmp_path / "bundle", "binary", learners=("linear",))
    with pytest.raises(ArtifactError, match=r"does not say .* train the model again"):
        check(tmp_path / "bundle", table, tmp_path)
    assert not (tmp_path / "drift").exists()


def test_a_damaged_reference_is_refused(binary, tmp_path):
    model = shutil.copytree(binary.folder / "model", tmp_path / "model")
    (model / "reference.json").write_text("{}")
    with pytest.raises(ArtifactError, match="was changed"):
        check(model, binary.table, tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.drop(columns="age"), RequestError, "no column 'age'"),
        (lambda t: t.head(0), DataError, "no rows"),
        (lambda t: t.astype({"age": object}).assign(age="old"), RequestError, "'age' holds 'old'"),
    ],
)
def test_tables_that_do_not_fit(binary, tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        check(binary.folder / "model", change(binary.table), tmp_path)


def test_false_alarms_are_shared_out_among_all_tests(binary, tmp_path, monkeypatch):
    levels: list[float] = []

    def noted(*args: Any, level: float, **more: Any) -> Any:
        levels.append(level)
        return measure(*args, level=level, **more)

    monkeypatch.setattr(monitor, "measure", noted)
    signature = bundles.load(binary.folder / "model").signature
    doubled = sum(column.kind == "categorical" for column in signature)
    assert doubled > 0
    found = check(binary.folder / "model", binary.table, tmp_path)["values"]
    # The index of each column and of the predictions, new categories, the score.
    assert found["tests"] == len(signature) + doubled + 2
    assert levels == [0.001 / found["tests"]]
    (age,) = (one for one in found["columns"] if one["name"] == "age")
    counts = np.ones(len(age["bins"]), int)
    factor = age["by_chance"] / by_chance(counts, counts, levels[0], (200, 200))
    assert factor == pytest.approx(1)
    # Without a truth there is no test of the score.
    alone = check(binary.folder / "model", binary.table.drop(columns="outcome"), tmp_path)
    assert alone["values"]["tests"] == found["tests"] - 1
    few = check(binary.folder / "model", binary.table, tmp_path, ignore=["city"])
    assert few["values"]["tests"] == found["tests"] - 2


def test_what_is_ignored_must_be_there(binary, tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'age'"):
        check(binary.folder / "model", binary.table, tmp_path, ignore=["aeg"])


cells = st.one_of(
    st.none(), st.integers(-5, 5), st.floats(), st.booleans(), st.text(max_size=3), st.datetimes()
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.integers(1, 30),
    st.dictionaries(st.sampled_from([*toy_bundle.KINDS, "outcome"]), cells, max_size=3),
)
def test_any_table_gives_a_report_or_one_message(binary, tmp_path, n_rows, values):
    table = binary.table.head(n_rows).astype(object)
    for name, value in values.items():
        table[name] = pd.Series([value] * n_rows, index=table.index, dtype=object)
    source = tmp_path / "served.csv"
    table.to_csv(source, index=False)
    try:
        found = check_file(binary.folder / "model", source, tmp_path)
    except RegattaError:
        return
    assert found["verdict"] in ("steady", "drifted", "retrain")
    assert (tmp_path / OUTPUTS[1]).is_file()
