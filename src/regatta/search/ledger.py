"""The ledger: the best recipes of earlier runs, for the next run on such a table.

One small text for each set of columns and target. It holds parameters and digests, no names and
no values of a table. A table that was never seen is begun with what did best on the one that is
most like it. What cannot be read is taken for no ledger: a run never fails for it.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from regatta.artifacts.records import Recipe
from regatta.dataset.schema import Schema
from regatta.errors import RegattaError
from regatta.learners.base import Learner, Shape
from regatta.learners.categories import NATIVE
from regatta.search.retries import retried
from regatta.search.shelf import Shelf
from regatta.search.space import is_number, parameters_of

__all__ = ["recall", "remember", "usable"]

logger = logging.getLogger(__name__)

# Runs that a file keeps, and recipes that are kept of a run and given to the next one: few, for
# a short race should try something new as well.
RUNS = 5
RECIPES = 3
# What is given of a table that is only alike, and of how many such tables one is looked for.
RECIPES_OF_ANOTHER = 2
LOOKED_AT = 100
# A store that is slow to answer costs no more than this.
LOOKING_SECONDS = 5.0
# No table has so many columns.
MOST_COUNT = 2**40
# Tables are alike up to four times the rows and twice the columns, if at most this share of their
# columns is of another kind.
ROWS_LOG2, COLUMNS_LOG2, OTHER_KINDS = 2, 1.0, 0.25


def recall(shelf: Shelf, schema: Schema, fingerprint: str, metric: str) -> list[Recipe]:
    """Return the best recipes of earlier runs, those on the very same table first.

    Where there was none on a table of these columns, they are of the table that is most like it.

    Parameters
    ----------
    shelf : Shelf
        Where the ledger lies.
    schema : Schema
        Columns and target.
    fingerprint : str
        SHA-256 of the table's file.
    metric : str
        Key of the metric; runs that optimised another one are passed over.
    """
    runs = [run for run in _read(shelf, _name(schema)) if run["metric"] == metric]
    runs.sort(key=lambda run: run["fingerprint"] != fingerprint)
    most = RECIPES
    if not runs:
        runs, most = _alike(shelf, _profile(schema), metric), RECIPES_OF_ANOTHER
    distinct: dict[str, dict[str, Any]] = {}
    for run in runs:
        for recipe in run["recipes"]:
            distinct.setdefault(json.dumps(recipe, sort_keys=True), recipe)
    return [Recipe(**recipe, origin="ledger") for recipe in list(distinct.values())[:most]]


def remember(
    shelf: Shelf, schema: Schema, fingerprint: str, leaderboard: Mapping[str, Any]
) -> None:
    """Keep the best recipes of a run.

    Parameters
    ----------
    shelf : Shelf
        Where the ledger lies.
    schema : Schema
        Columns and target.
    fingerprint : str
        SHA-256 of the table's file.
    leaderboard : mapping
        What ``leaderboard.json`` holds.
    """
    recipes = list(_best(leaderboard["trials"]))[:RECIPES]
    if not recipes:
        return
    name = _name(schema)
    run = {
        "fingerprint": fingerprint,
        "profile": _profile(schema),
        "metric": leaderboard["metric"],
        "recipes": recipes,
    }
    # The newest first; another run on the same table takes the place of the one before.
    earlier = [old for old in _read(shelf, name) if old["fingerprint"] != fingerprint]
    try:
        shelf.write(name, json.dumps({"runs": [run, *earlier][:RUNS]}))
    except (OSError, RegattaError) as err:
        logger.warning("the ledger in %s cannot be written: %s", shelf, err)


def usable(
    recipes: Iterable[Recipe], learners: Mapping[str, Learner], shape: Shape
) -> list[Recipe]:
    """Return the recipes that still have a learner with such parameters.

    Parameters
    ----------
    recipes : iterable of Recipe
        Recipes of earlier runs, perhaps of another version.
    learners : mapping of str to Learner
        Learners that race.
    shape : Shape
        Size of one fold's training rows.
    """
    found: list[Recipe] = []
    for recipe in recipes:
        if recipe.learner not in learners or recipe.rows >= shape.n_rows:
            continue
        learner = learners[recipe.learner]
        known = parameters_of(learner, shape)
        # A table without such columns has no choice of how to split them.
        named = {n: v for n, v in recipe.params.items() if n in known or n != NATIVE}
        same_kind = all(
            name in known and _kind(value) == _kind(known[name]) for name, value in named.items()
        )
        if same_kind:
            params = {**learner.defaults(shape), **named}
            if sets := learner.space(shape).get(NATIVE):
                # One with fewer categories has no choice for so many.
                params[NATIVE] = min(params[NATIVE], max(sets.choices))
            found.append(Recipe(recipe.learner, params, recipe.rows, recipe.origin))
    return found


def _best(trials: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Yield the recipes of the best trials, those of the ensemble before others."""
    # The sort is stable: trials come best first.
    for trial in sorted(trials, key=lambda trial: trial["weight"] == 0):
        recipe = Recipe.from_dict(trial["recipe"])
        if trial["status"] == "ok" and not trial["truncated"] and not retried(recipe):
            kept = asdict(recipe)
            yield {name: kept[name] for name in ("learner", "params", "rows")}


def _name(schema: Schema) -> str:
    """Return the name of a set of columns and target."""
    columns = sorted((column.name, column.kind) for column in schema.features)
    known = json.dumps([schema.task, schema.target, columns])
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def _profile(schema: Schema) -> dict[str, Any]:
    """Return what a table is like, in figures that name nothing."""
    kinds = [column.kind for column in schema.features]
    return {
        "task": schema.task,
        "rows_log2": schema.n_rows.bit_length(),
        "columns": len(kinds),
        "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def _alike(shelf: Shelf, profile: Mapping[str, Any], metric: str) -> list[dict[str, Any]]:
    """Return the newest run on the table that is most like one of this profile; none if none is."""
    try:
        names = shelf.newest(LOOKED_AT)
    except (OSError, RegattaError) as err:
        logger.warning("the ledger in %s is passed over: %s", shelf, err)
        return []
    until, firsts = time.monotonic() + LOOKING_SECONDS, list[dict[str, Any]]()
    for name in names:
        if time.monotonic() > until:
            break
        firsts += [run for run in _read(shelf, name) if run["metric"] == metric]
    ranked = [(_distance(profile, run["profile"]), run) for run in firsts]
    near = [(distance, run) for distance, run in ranked if distance is not None]
    # The first of those that are equally near is the newest.
    return [min(near, key=lambda pair: pair[0])[1]] if near else []


def _distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """Return how unlike two profiles are, from 0 to 3; None where they are too unlike."""
    if one["task"] != other["task"]:
        return None
    rows = abs(one["rows_log2"] - other["rows_log2"]) / ROWS_LOG2
    columns = abs(math.log2(max(one["columns"], 1) / max(other["columns"], 1))) / COLUMNS_LOG2
    kinds = sorted({*one["kinds"], *other["kinds"]})
    shares = [
        [found["kinds"].get(kind, 0) / max(found["columns"], 1) for kind in kinds]
        for found in (one, other)
    ]
    moved = sum(abs(mine - theirs) for mine, theirs in zip(*shares, strict=True)) / 2 / OTHER_KINDS
    return rows + columns + moved if max(rows, columns, moved) <= 1 else None


def _read(shelf: Shelf, name: str) -> list[dict[str, Any]]:
    """Return the runs of a text, the newest first; none if it is not there or damaged."""
    try:
        text = shelf.read(name)
        runs = json.loads(text)["runs"] if text is not None else []
        if all(_is_run(run) for run in runs):
            return list(runs)
        found = "it holds what is no run"
    except (
        *(OSError, RegattaError, ValueError),
        *(KeyError, TypeError, AttributeError, RecursionError),
    ) as err:
        found = str(err)
    logger.warning("the ledger %r in %s is passed over: %s", name, shelf, found)
    return []


def _is_run(run: Mapping[str, Any]) -> bool:
    """Return whether a value has the form of a run."""
    texts = isinstance(run["fingerprint"], str) and isinstance(run["metric"], str)
    profile = run["profile"]
    counts = [profile["rows_log2"], profile["columns"], *profile["kinds"].values()]
    counted = all(isinstance(count, int) and 0 <= count < MOST_COUNT for count in counts)
    return (
        texts
        and counted
        and isinstance(profile["task"], str)
        and all(
            set(recipe) == {"learner", "params", "rows"}
            and isinstance(recipe["learner"], str)
            and isinstance(recipe["params"], dict)
            and isinstance(recipe["rows"], int)
            for recipe in run["recipes"]
        )
    )


def _kind(value: Any) -> str:
    """Return the type of a parameter; whole numbers are numbers."""
    return "number" if is_number(value) else type(value).__name__
