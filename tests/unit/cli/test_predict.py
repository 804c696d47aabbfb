"""``regatta predict``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from regatta import bundle
from regatta.cli import app
from regatta.errors import RegattaError
from regatta.registry import Registry
from regatta.serving import codecs
from tests import toy_bundle


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "bundle"
    toy_bundle.build(path, "multiclass", learners=("linear",))
    return path


@pytest.fixture
def table() -> pd.DataFrame:
    return toy_bundle.table_of("multiclass").head(40).sample(frac=1, random_state=3)


def predict(model: Any, table: Path, out: Path, *options: str) -> str:
    command = ["predict", str(model), str(table), "--out", str(out), *options]
    result = CliRunner().invoke(app, command)
    if isinstance(result.exception, RegattaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_rows_keep_their_order(bundle_path: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    expected = bundle.load(bundle_path).predict(table)
    table.to_csv(tmp_path / "table.csv", index=False)
    table.to_parquet(tmp_path / "table.parquet", index=False)
    table.to_json(tmp_path / "table.jsonl", orient="records", lines=True, date_format="iso")
    table.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    for name in ("table.csv", "table.parquet", "table.jsonl", "semicolons.csv"):
        assert "40 predictions" in predict(bundle_path, tmp_path / name, tmp_path / "out.csv")
        found = pd.read_csv(tmp_path / "out.csv")
        assert found.columns.tolist() == expected.columns.tolist()
        assert found["prediction"].tolist() == expected["prediction"].tolist()
        np.testing.assert_allclose(
            found.iloc[:, 1:].to_numpy(), expected.iloc[:, 1:].to_numpy(float), atol=1e-9
        )


def test_a_table_without_its_target_and_with_more_columns(
    bundle_path: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    predict(bundle_path, tmp_path / "table.csv", tmp_path / "first.parquet")
    table = table.drop(columns=["outcome", "key"]).assign(more="x")
    table[table.columns[::-1]].to_csv(tmp_path / "table.csv", index=False)
    predict(bundle_path, tmp_path / "table.csv", tmp_path / "second.parquet")
    first, second = (pd.read_parquet(tmp_path / f"{n}.parquet") for n in ("first", "second"))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_what_a_request_may_leave_out_a_table_may(
    bundle_path: Path, table: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    path, out = tmp_path / f"table.{suffix}", tmp_path / "out.parquet"
    loaded = bundle.load(bundle_path)
    assert {column.name for column in loaded.signature if column.missing} >= {"income", "city"}
    rows = table.drop(columns=["income", "city", "outcome"])
    if suffix == "csv":
        rows.to_csv(path, index=False)
    elif suffix == "parquet":
        rows.to_parquet(path, index=False)
    else:
        rows.to_json(path, orient="records", lines=True, date_format="iso")
    predict(bundle_path, path, out)
    request = {"instances": json.loads(rows.to_json(orient="records", date_format="iso"))}
    expected = loaded.predict_array(codecs.decode_v1(request, loaded).frame)
    np.testing.assert_allclose(pd.read_parquet(out).iloc[:, 1:].to_numpy(), expected, atol=1e-9)


def test_run_folders_and_registered_names(
    bundle_path: Path, table: pd.DataFrame, tmp_path: Path, regatta_home: Path
) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    Registry(regatta_home / "registry").register(bundle_path, "toy", verdict="promote")
    for model in (bundle_path.parent, "toy", "toy@1", "toy@champion"):
        predict(model, tmp_path / "table.csv", tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("out.txt", 2, r"expected \.csv or \.parquet"),
        ("missing/out.csv", 2, "cannot be written"),
        ("folder.csv", 2, "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_written(
    bundle_path: Path, tmp_path: Path, name: str, code: int, message: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RegattaError, match=message) as caught:
        predict(bundle_path, tmp_path / "table.csv", tmp_path / name)
    assert caught.value.exit_code == code


@pytest.mark.parametrize("way", ["same", "dots", "symlink", "hard link"])
def test_the_table_is_not_written_over(
    bundle_path: Path, table: pd.DataFrame, tmp_path: Path, way: str
) -> None:
    source, out = tmp_path / "table.csv", tmp_path / "out.csv"
    table.to_csv(source, index=False)
    before = source.read_bytes()
    (tmp_path / "folder").mkdir()
    if way == "symlink":
        out.symlink_to(source)
    elif way == "hard link":
        out.hardlink_to(source)
    else:
        out = source if way == "same" else tmp_path / "folder" / ".." / source.name
    with pytest.raises(RegattaError, match="is the table that is read") as caught:
        predict(bundle_path, source, out)
    assert caught.value.exit_code == 2
    assert source.read_bytes() == before


def test_one_prediction_is_one(bundle_path: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    table.head(1).to_csv(tmp_path / "table.csv", index=False)
    out = tmp_path / "out.csv"
    assert predict(bundle_path, tmp_path / "table.csv", out).startswith("1 prediction is in")
    table.head(2).to_csv(tmp_path / "table.csv", index=False)
    assert predict(bundle_path, tmp_path / "table.csv", out).startswith("2 predictions are in")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("age\n3\n", "no column 'clicks'"),
        ("agee,city\n3,Bern\n", r"no column 'age' \(did you mean 'agee'"),
        ("", "empty"),
    ],
)
def test_tables_that_do_not_fit(
    bundle_path: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "table.csv").write_text(content)
    (tmp_path / "out.csv").write_text("as before")
    with pytest.raises(RegattaError, match=message) as caught:
        predict(bundle_path, tmp_path / "table.csv", tmp_path / "out.csv")
    assert caught.value.exit_code == 2
    assert (tmp_path / "out.csv").read_text() == "as before"


def test_a_value_that_does_not_fit_is_named(
    bundle_path: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    table = table.astype({"age": object})
    table.iloc[7, table.columns.get_loc("age")] = "old"
    table.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(RegattaError, match="'age' holds 'old' in row 8"):
        predict(bundle_path, tmp_path / "table.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_unknown_models(tmp_path: Path) -> None:
    with pytest.raises(RegattaError, match="no registered model") as caught:
        predict("nothing", tmp_path / "table.csv", tmp_path / "out.csv")
    assert caught.value.exit_code == 3
