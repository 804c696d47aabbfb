"""The ledger: what one run leaves for the next."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regatta.artifacts.records import Recipe
from regatta.dataset.schema import Column
from regatta.registry import ledger_root
from regatta.search.ledger import recall, remember, usable
from regatta.search.plan import make_plan, read_plan
from regatta.settings import RunSettings
from regatta.stages import plan as planning
from tests.unit.search.fakes import LEARNERS, TOOLBOX, open_features


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


def known(folder: Path, table, fingerprint: str = "a", metric: str = "roc_auc") -> list[Any]:
    found = recall(folder, table.schema, fingerprint, metric)
    assert {recipe.origin for recipe in found} <= {"ledger"}
    return [recipe.params["alpha"] for recipe in found]


def test_best_recipes_come_back(tmp_path: Path, table):
    remember(tmp_path, table.schema, "a", board(*map(line, range(1, 9))))
    assert known(tmp_path, table) == [1, 2, 3]
    # Another run on the table replaces what is known of it.
    remember(tmp_path, table.schema, "a", board(line(9), line(1)))
    assert known(tmp_path, table) == [9, 1]


def test_members_of_the_ensemble_come_first(tmp_path: Path, table):
    values = board(line(1), line(2), line(3))
    values["trials"][2]["weight"] = 1.0
    remember(tmp_path, table.schema, "a", values)
    assert known(tmp_path, table) == [3, 1, 2]


@pytest.mark.parametrize("first", [{"status": "timeout"}, {"truncated": True}])
def test_what_did_not_end_well_is_not_kept(tmp_path: Path, table, first: dict):
    remember(tmp_path, table.schema, "a", board(line(1), line(2), **first))
    assert known(tmp_path, table) == [2]
    remember(tmp_path, table.schema, "a", board(line(3, origin="retry of x"), line(4)))
    assert known(tmp_path, table) == [4]


def test_same_table_comes_before_another_with_its_columns(tmp_path: Path, table):
    remember(tmp_path, table.schema, "a", board(line(1)))
    remember(tmp_path, table.schema, "b", board(line(2), line(1)))
    assert known(tmp_path, table, "a") == [1, 2]
    assert known(tmp_path, table, "c") == [2, 1]


def test_another_metric_is_another_matter(tmp_path: Path, table):
    remember(tmp_path, table.schema, "a", board(line(1)))
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
    remember(tmp_path, near, "near", board(*map(line, (1, 2, 3))))
    remember(tmp_path, far, "far", board(*map(line, (4, 5, 6))))
    assert known(tmp_path, table) == [1, 2]
    remember(tmp_path, table.schema, "b", board(line(7)))
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
    remember(tmp_path, like(table, n_rows, *kinds, task=task), "a", board(line(1)))
    assert known(tmp_path, table) == []


def test_it_names_nothing_of_the_table(tmp_path: Path, table):
    remember(tmp_path / "new", table.schema, "a", board(line(1)))
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
    remember(tmp_path / "l", table.schema, "a", board(line(1)))
    (file,) = (tmp_path / "l").iterdir()
    file.write_text(text)
    assert known(tmp_path / "l", table) == []
    assert "passed over" in caplog.text
    remember(tmp_path / "l", table.schema, "a", board(line(1)))
    assert known(tmp_path / "l", table) == [1]


@pytest.mark.parametrize("count", ["1" + "0" * 400, "-1", "1.5", '"7"'])
def test_a_new_table_passes_over_damage(tmp_path: Path, table, count: str, caplog):
    ledger = tmp_path / "ledger"
    remember(ledger, like(table, 120, *NUMERIC), "a", board(line(1)))
    (file,) = ledger.iterdir()
    file.write_text(file.read_text().replace('"columns": 4', f'"columns": {count}'))
    (ledger / "gone.json").symlink_to(tmp_path / "nowhere")
    (ledger / "deep.json").write_text("[" * 100_000)
    assert known(ledger, table) == []
    assert "passed over" in caplog.text


def test_what_cannot_be_written_is_a_warning(tmp_path: Path, table, caplog):
    (tmp_path / "file").write_text("")
    remember(tmp_path / "file", table.schema, "a", board(line(1)))
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
    assert [(recipe.origin, recipe.params["alpha"]) for recipe in lane[:2]] == [
        ("user", 3), ("ledger", 9)
    ]  # fmt: skip
    fixed = settings.merged({"search": {"max_trials": 5}})
    (lane,) = make_plan(table, fixed, TOOLBOX, earlier).lanes
    assert "ledger" not in {recipe.origin for recipe in lane}


@pytest.mark.parametrize("search", [{}, {"warm_start": False}, {"max_trials": 4}])
def test_stage_reads_the_ledger(table, tmp_path: Path, search: dict):
    params = {"C": 2.0, "l1_ratio": 0.5}
    remember(ledger_root(), table.schema, "f" * 64, board(Recipe("linear", params)))
    settings = json.dumps({"search": search})
    planning.run(str(table.path), settings, str(tmp_path / "plan"))
    first = read_plan(tmp_path / "plan").lanes[0][0]
    assert (first.origin == "ledger") == (not search)
    assert first.origin != "ledger" or first.params["C"] == 2.0


def test_pod_has_no_ledger(table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    remember(ledger_root(), table.schema, "f" * 64, board(Recipe("linear", {"C": 2.0})))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    planning.run(str(table.path), "{}", str(tmp_path / "plan"))
    assert read_plan(tmp_path / "plan").lanes[0][0].origin == "portfolio"
