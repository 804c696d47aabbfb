"""Small toy tables: seeded, of mixed types, with a signal that any learner finds."""

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["TARGET", "binary_table", "multiclass_table", "numeric_table", "regression_table"]

TARGET = "outcome"

_GOOD = ("lovely", "soft", "perfect", "happy", "great")
_BAD = ("broken", "late", "rough", "refund", "faded")
_FILLER = ("the", "parcel", "arrived", "and", "fabric", "was", "after", "one", "week", "it", "is")


def binary_table(
    n_rows: int = 300, *, seed: int = 0, missing_share: float = 0.05, noise: float = 0.5
) -> pd.DataFrame:
    """Return a table whose target ``outcome`` is ``yes`` or ``no``.

    Parameters
    ----------
    n_rows : int, default 300
        Number of rows.
    seed : int, default 0
        Seed of every draw.
    missing_share : float, default 0.05
        Share of missing values in the columns ``income``, ``city``, ``review`` and ``joined``.
    noise : float, default 0.5
        Standard deviation of what no column explains; the signal's is about 2.

    Returns
    -------
    DataFrame of shape (n_rows, 10)
        ``age`` int64, ``income`` float64, ``clicks`` int64, ``member`` bool, ``city`` and
        ``plan`` text (categories), ``review`` text (free), ``joined`` datetime64, ``key`` text
        (unique in each row), ``outcome``.

    Examples
    --------
    >>> table = binary_table(50)
    >>> table.shape, sorted(table["outcome"].unique())
    ((50, 10), ['no', 'yes'])
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    table, signal = _features(rng, n_rows)
    score = signal + rng.normal(0, noise, n_rows)
    table[TARGET] = np.where(score > np.quantile(score, 0.65), "yes", "no")
    return _with_gaps(table, rng, missing_share)


def multiclass_table(
    n_rows: int = 400, *, seed: int = 0, missing_share: float = 0.05, noise: float = 0.5
) -> pd.DataFrame:
    """Return a table whose target ``outcome`` is ``high``, ``low`` or ``middle``.

    Parameters
    ----------
    n_rows, seed, missing_share, noise
        As in `binary_table`; 400 rows by default.

    Returns
    -------
    DataFrame of shape (n_rows, 10)
        The columns of `binary_table`.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    table, signal = _features(rng, n_rows)
    score = signal + rng.normal(0, noise, n_rows)
    low, high = np.quantile(score, (0.3, 0.75))
    table[TARGET] = np.select([score <= low, score <= high], ["low", "middle"], "high")
    return _with_gaps(table, rng, missing_share)


def regression_table(
    n_rows: int = 300, *, seed: int = 0, missing_share: float = 0.05, noise: float = 0.5
) -> pd.DataFrame:
    """Return a table whose target ``outcome`` is a float.

    Parameters
    ----------
    n_rows, seed, missing_share, noise
        As in `binary_table`; `noise` times 10, in units of the target.

    Returns
    -------
    DataFrame of shape (n_rows, 10)
        The columns of `binary_table`; the target has a mean of about 100 and a standard
        deviation of about 20.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    table, signal = _features(rng, n_rows)
    table[TARGET] = np.round(100 + 10 * (signal + rng.normal(0, noise, n_rows)), 4)
    return _with_gaps(table, rng, missing_share)


def numeric_table(n_rows: int = 1000, n_columns: int = 20, *, seed: int = 0) -> pd.DataFrame:
    """Return a numeric table for measurements of speed and memory.

    Parameters
    ----------
    n_rows : int, default 1000
        Number of rows.
    n_columns : int, default 20
        Number of columns, the target among them.
    seed : int, default 0
        Seed of every draw.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        ``x00``, ``x01``, … float64, and ``outcome``, ``yes`` or ``no``.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 4]))
    values = rng.normal(size=(n_rows, n_columns - 1)).round(6)
    weights = rng.normal(size=n_columns - 1) / np.arange(1, n_columns)
    table = pd.DataFrame(values, columns=[f"x{i:02d}" for i in range(n_columns - 1)])
    score = np.tanh(values @ weights) + 0.5 * values[:, 0] * values[:, -1]
    table[TARGET] = np.where(score + rng.normal(0, 0.5, n_rows) > 0, "yes", "no")
    return table


def _features(
    rng: np.random.Generator, n_rows: int
) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
    """Draw the feature columns, and what they say about the target (standard deviation 2)."""
    age = rng.integers(18, 80, n_rows)
    income = np.round(rng.lognormal(8, 0.5, n_rows), 2)
    member = rng.random(n_rows) < 0.4
    cities = np.array(["Basel", "Bern", "Genève", "Lugano", "Zürich"])
    city = rng.integers(0, len(cities), n_rows)
    plan = rng.integers(0, 3, n_rows)
    mood = rng.random(n_rows) < 0.5
    day = rng.integers(0, 3 * 365, n_rows)
    joined = pd.Timestamp("2021-01-01") + pd.to_timedelta(
        day * 86_400 + rng.integers(0, 86_400, n_rows), unit="s"
    )
    table = pd.DataFrame(
        {
            "age": age,
            "income": income,
            "clicks": rng.poisson(3, n_rows),
            "member": member,
            "city": cities[city],
            "plan": np.array(["basic", "plus", "pro"])[plan],
            "review": [_sentence(rng, good) for good in mood],
            "joined": joined.astype("datetime64[us]"),
            "key": [f"k-{number:08x}" for number in rng.permutation(n_rows) + 2**28],
        }
    )
    signal = (
        (age - 49) / 18
        + np.log(income / np.exp(8))
        + 0.8 * member
        + 0.5 * (city - 2)
        + np.array([-0.6, 0.0, 0.6])[plan]
        + np.where(mood, 0.8, -0.8)
        + 0.3 * np.sin(2 * np.pi * day / 7)
    )
    return table, signal


def _sentence(rng: np.random.Generator, good: bool) -> str:
    """Make up one review, with a comma or a quote now and then."""
    words = list(rng.choice(_FILLER, rng.integers(5, 14)))
    for word in rng.choice(_GOOD if good else _BAD, 2, replace=False):
        words.insert(int(rng.integers(0, len(words))), str(word))
    text = " ".join(words)
    return text + str(rng.choice(["", ", thanks", ' ("as seen")', "!"]))


def _with_gaps(table: pd.DataFrame, rng: np.random.Generator, share: float) -> pd.DataFrame:
    """Take values away at random from four columns."""
    for name in ("income", "city", "review", "joined"):
        table.loc[rng.random(len(table)) < share, name] = None
    return table
