"""The ledger: what one run leaves for the next."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regatta.artifacts.records import Recipe
from regatta.dataset.schema import Column
from regatta.learners import get_learner
from regatta.registry import ledger_root
from regatta.search.ledger import recall, remember, usable
from regatta.search.plan import make_plan, read_plan
from regatta.search.shelf import Folder, Objects, Shelf
from regatta.settings import RunSettings
from regatta.stages import plan as planning
from regatta.stages.warm_start import remember_best, shelf_of
from regatta.store import Location, connect
from tests.object_store import ObjectStore, object_store, running
from tests.unit.search.fakes import LEARNERS, TOOLBOX, open_features

__all__ = ["object_store"]


def board(*recipes: Recipe, metric: str = "roc_auc", **first: Any) -> dict[str, Any]:
    """Return a leaderboard in this order; the values of its first row may be others."""
    rows: list[dict[str, Any]] = []
    for recipe in recipes:
        values = {"learner": recipe.learner, "params": recipe.params, "rows": recipe.rows}
        values["origin"] = recipe.origin
        rows.append({"recipe": values, "status": "ok", "truncated": False, "weight": 0.0})
    rows[0] |= first
    return {"metric": metric, "trials": rows}


@pytest.fixture
def table(tmp_path):
    return open_features(tmp_path / "features")


def line(alpha: float, rows: int = 0, origin: str = "bayes") -> Recipe:
    return Recipe("line", {"alpha": alpha, "noise": 0.0}, rows, origin)


def known(
    folder: Path | Shelf, table, fingerprint: str = "a", metric: str = "roc_auc"
) -> list[Any]:
    shelf = Folder(folder) if isinstance(folder, Path) else folder
    found = recall(shelf, table.schema, fingerprint, metric)
    assert {recipe.origin for recipe in found} <= {"ledger"}
    return [recipe.params["alpha"] for recipe in found]


def test_best_recipes_come_back(tmp_path: Path, table):
    remember(Folder(tmp_path), table.schema, "a", board(*map(line, range(1, 9))))
    assert known(tmp_path, table) == [1, 2, 3]
    # Another run on the table replaces what is known of it.
    remember(Folder(tmp_path), table.schema, "a", board(line(9), line(1)))
    assert known(tmp_path, table) == [9, 1]


def test_members_of_the_ensemble_come_first(tmp_path: Path, table):
    values = board(line(1), line(2), line(3))
    values["trials"][2]["weight"] = 1.0
    remember(Folder(tmp_path), table.schema, "a", values)
    assert known(tmp_path, table) == [3, 1, 2]


@pytest.mark.parametrize("first", [{"status": "timeout"}, {"truncated": True}])
def test_what_did_not_end_well_is_not_kept(tmp_path: Path, table, first: dict):
    remember(Folder(tmp_path), table.schema, "a", board(line(1), line(2), **first))
    assert known(tmp_path, table) == [2]
    remember(Folder(tmp_path), table.schema, "a", board(line(3, origin="retry of x"), line(4)))
    assert known(tmp_path, table) == [4]


def test_same_table_comes_before_another_with_its_columns(tmp_path: Path, table):
    remember(Folder(tmp_path), table.schema, "a", board(line(1)))
    remember(Folder(tmp_path), table.schema, "b", board(line(2), line(1)))
    assert known(tmp_path, table, "a") == [1, 2]
    assert known(tmp_path, table, "c") == [2, 1]


def test_another_metric_is_another_matter(tmp_path: Path, table):
    remember(Folder(tmp_path), table.schema, "a", board(line(1)))
    assert known(tmp_path, table, metric="log_loss") == []


def like(table, n_rows: int, *kinds: str, task: str = "binary"):
    """Return the schema of another table, with columns of these kinds."""
    columns = tuple(Column(f"{kind}-{place}", kind, "float64") for place, kind in enumerate(kinds))
    target = replace(table.schema.columns[-1], name="theirs")
    columns = (*columns, target)
    return replace(table.schema, columns=columns, target="theirs", n_rows=n_rows, task=task)


NUMERIC = ("numeric",) * 4


def test_a_new_table_begins_with_what_did_best_on_one_that_is_like_it(tmp_path: Path, table):
    far = like(table, 400, *NUMERIC, *NUMERIC)
    near = like(table, 130, *NUMERIC, "categorical")
    remember(Folder(tmp_path), near, "near", board(*map(line, (1, 2, 3))))
    remember(Folder(tmp_path), far, "far", board(*map(line, (4, 5, 6))))
    assert known(tmp_path, table) == [1, 2]
    remember(Folder(tmp_path), table.schema, "b", board(line(7)))
    assert known(tmp_path, table) == [7]


@pytest.mark.parametrize(
    ("n_rows", "kinds", "task"),
    [
        (1_000, NUMERIC, "binary"),
        (120, NUMERIC * 3, "binary"),
        (120, ("numeric", "numeric", "categorical", "categorical"), "binary"),
        (120, (), "binary"),
        (120, NUMERIC, "regression"),
    ],
)
def test_a_table_that_is_unlike_says_nothing(tmp_path: Path, table, n_rows, kinds, task):
    remember(Folder(tmp_path), like(table, n_rows, *kinds, task=task), "a", board(line(1)))
    assert known(tmp_path, table) == []


def test_it_names_nothing_of_the_table(tmp_path: Path, table):
    remember(Folder(tmp_path / "new"), table.schema, "a", board(line(1)))
    (file,) = (tmp_path / "new").iterdir()
    (run,) = json.loads(file.read_text())["runs"]
    assert set(run) == {"fingerprint", "profile", "metric", "recipes"}
    assert run["profile"] == {
        "task": "binary", "rows_log2": 7, "columns": 4, "kinds": {"numeric": 4}
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"runs": [{}]}', '{"runs": 3}', '{"runs": [{"fingerprint": 1}]}',
             '{"runs": [{"fingerprint": "a", "metric": "roc_auc", "profile": 1, "recipes": []}]}',
             '{"runs": [{"fingerprint": "a", "metric": "roc_auc", "profile": {"task": "binary",'
             ' "rows_log2": 7, "columns": 4, "kinds": {}}, "recipes": [{"learner": 1}]}]}'],
)  # fmt: skip
def test_damage_is_no_ledger_and_is_repaired(tmp_path: Path, table, text: str, caplog):
    remember(Folder(tmp_path / "l"), table.schema, "a", board(line(1)))
    (file,) = (tmp_path / "l").iterdir()
    file.write_text(text)
    assert known(tmp_path / "l", table) == []
    assert "passed over" in caplog.text
    remember(Folder(tmp_path / "l"), table.schema, "a", board(line(1)))
    assert known(tmp_path / "l", table) == [1]


@pytest.mark.parametrize("count", ["1" + "0" * 400, "-1", "1.5", '"7"'])
def test_a_new_table_passes_over_damage(tmp_path: Path, table, count: str, caplog):
    ledger = tmp_path / "ledger"
    remember(Folder(ledger), like(table, 120, *NUMERIC), "a", board(line(1)))
    (file,) = ledger.iterdir()
    file.write_text(file.read_text().replace('"columns": 4', f'"columns": {count}'))
    (ledger / "gone.json").symlink_to(tmp_path / "nowhere")
    (ledger / "deep.json").write_text("[" * 100_000)
    assert known(ledger, table) == []
    assert "passed over" in caplog.text


def test_what_cannot_be_written_is_a_warning(tmp_path: Path, table, caplog):
    (tmp_path / "file").write_text("")
    remember(Folder(tmp_path / "file"), table.schema, "a", board(line(1)))
    assert "cannot be written" in caplog.text


def test_recipes_of_another_version_are_left_out(table):
    recipes = [
        Recipe("gone"), Recipe("line", {"beta": 1.0}), Recipe("line", {"alpha": "much"}),
        Recipe("line", rows=80), Recipe("line", {"alpha": 2}, 30, "ledger"),
    ]  # fmt: skip
    found = usable(recipes, {"line": LEARNERS["line"]}, table.shape)
    assert found == [Recipe("line", {"alpha": 2, "noise": 0.0}, 30, "ledger")]


def test_logarithm_comes_back_for_a_regression_only(table):
    recipe = Recipe("line", {"alpha": 2.0, "target": "log"}, 0, "ledger")
    regression = replace(table.shape, task="regression")
    (found,) = usable([recipe], {"line": LEARNERS["line"]}, regression)
    assert found.params == {"alpha": 2.0, "noise": 0.0, "target": "log"}
    assert usable([recipe], {"line": LEARNERS["line"]}, table.shape) == []


@pytest.mark.parametrize(("n_categories", "most"), [(9, None), (100, 1000), (5000, 1001)])
def test_sets_of_so_many_categories_as_the_table_has(table, n_categories, most):
    recipe = Recipe("lightgbm", {"native_categories": 1001}, 0, "ledger")
    shape = replace(table.shape, n_categories=n_categories)
    (found,) = usable([recipe], {"lightgbm": get_learner("lightgbm")}, shape)
    assert found.params.get("native_categories") == most


@pytest.mark.parametrize("strategy", ["portfolio", "grid", "random", "bayes", "halving"])
def test_plan_begins_with_what_is_known_and_keeps_to_the_user(table, strategy: str):
    search = {
        "strategy": strategy,
        "learners": ["line"],
        "spaces": {"line": {"alpha": {"high": 9}}},
        "recipes": [{"learner": "line", "params": {"alpha": 3}}],
    }
    settings = RunSettings.from_values({"search": search, "budget": {"seconds": 60}})
    earlier = [replace(line(50), origin="ledger")]
    (lane,) = make_plan(table, settings, TOOLBOX, earlier).lanes
    # The portfolio's first recipe is there at once, whatever is known.
    quick = ["portfolio"] if strategy in ("portfolio", "bayes") else []
    firsts = [recipe.origin for recipe in lane[: 2 + len(quick)]]
    assert firsts == ["user", *quick, "ledger"]
    assert [lane[0].params["alpha"], lane[len(quick) + 1].params["alpha"]] == [3, 9]
    fixed = settings.merged({"search": {"max_trials": 5}})
    (lane,) = make_plan(table, fixed, TOOLBOX, earlier).lanes
    assert "ledger" not in {recipe.origin for recipe in lane}


@pytest.mark.parametrize("search", [{}, {"warm_start": False}, {"max_trials": 4}])
def test_stage_reads_the_ledger(table, tmp_path: Path, search: dict):
    params = {"C": 2.0, "l1_ratio": 0.5}
    remember(Folder(ledger_root()), table.schema, "f" * 64, board(Recipe("linear", params)))
    settings = json.dumps({"search": search})
    planning.run(str(table.path), settings, str(tmp_path / "plan"))
    _, second, *_ = read_plan(tmp_path / "plan").lanes[0]
    assert (second.origin == "ledger") == (not search)
    assert second.origin != "ledger" or second.params["C"] == 2.0


def in_pod(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in (environment | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}).items():
        monkeypatch.setenv(name, value)


def test_pod_without_a_registry_in_a_store_has_no_ledger(table, tmp_path: Path, monkeypatch):
    remember(Folder(ledger_root()), table.schema, "f" * 64, board(Recipe("linear", {"C": 2.0})))
    in_pod(monkeypatch, {})
    planning.run(str(table.path), "{}", str(tmp_path / "plan"))
    assert "ledger" not in {recipe.origin for recipe in read_plan(tmp_path / "plan").lanes[0]}


def test_pods_have_theirs_beside_the_registry(
    table, tmp_path: Path, monkeypatch, object_store: ObjectStore
):
    in_pod(monkeypatch, object_store.environment)
    registry = "s3://models/of-pods"
    best = board(Recipe("linear", {"C": 2.0, "l1_ratio": 0.5}))
    found = ("f" * 64, table.schema, best)
    settings = {"deploy": {"registry": registry}}
    unwanted = {**settings, "search": {"warm_start": False}}
    remember_best(*found, RunSettings.from_values(unwanted))
    shelf = shelf_of(registry)
    assert shelf is not None
    assert shelf.newest(9) == []
    remember_best(*found, RunSettings.from_values(settings))
    assert len(shelf.newest(9)) == 1
    planning.run(str(table.path), json.dumps(settings), str(tmp_path / "plan"))
    _, second, *_ = read_plan(tmp_path / "plan").lanes[0]
    assert (second.origin, second.params["C"]) == ("ledger", 2.0)


def test_a_shelf_of_objects_is_like_a_folder(table, object_store: ObjectStore, caplog):
    store = connect(object_store.environment)
    shelf = Objects(store, Location("models", "shelf"))
    near, far = like(table, 130, *NUMERIC, "categorical"), like(table, 400, *NUMERIC, *NUMERIC)
    remember(shelf, near, "near", board(*map(line, (1, 2))))
    time.sleep(1.1)  # The store dates by seconds.
    remember(shelf, far, "far", board(line(4)))
    assert known(shelf, table) == [1, 2]
    names = shelf.newest(9)
    assert len(names) == 2
    assert '"far"' in (shelf.read(names[0]) or "")
    assert shelf.newest(1) == names[:1]
    assert shelf.read("nothing") is None
    assert not caplog.records
    store.write(shelf.place / f"{names[1]}.json", b"\xff{")
    assert known(shelf, table) == [4]
    assert "passed over" in caplog.text


def test_a_store_that_is_away_is_a_warning(table, tmp_path: Path, caplog):
    (tmp_path / "minio").mkdir()
    with running(tmp_path / "minio") as server:
        server.make_bucket("models")
        store = connect(server.environment, patience_seconds=0, answer_seconds=1)
        shelf = Objects(store, Location("models", "ledger"))
        remember(shelf, table.schema, "a", board(line(1)))
        server.stop()
        assert known(shelf, table) == []
        remember(shelf, table.schema, "a", board(line(2)))
        assert "passed over" in caplog.text
        assert "cannot be written" in caplog.text
        server.start()
        assert known(shelf, table) == [1]
