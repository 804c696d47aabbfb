"""How many folds a table is worth."""

from dataclasses import dataclass

from regatta.errors import SplitError

__all__ = ["Scheme", "choose_locked_share", "choose_scheme"]

LOCKED_ROWS = 2_500
LOCKED_BOUNDS = 0.1, 0.2
MIN_TRAIN_ROWS = 10
SMALL_ROWS = 2_000
MEDIUM_ROWS = 20_000
LARGE_ROWS = 100_000
HOLDOUT_SHARE = 0.2
HOLDOUT_ROWS = 100_000
SHORT_SECONDS = 30
# Of a small table: a race of so long tries so many recipes that the luckiest wins, not the best.
LONG_SECONDS = 120
LONG_REPEATS = 2
# A holdout of fewer groups says little, however many rows they have.
HOLDOUT_GROUPS = 20


@dataclass(frozen=True)
class Scheme:
    """How trials are validated.

    Attributes
    ----------
    n_folds : int
        Number of folds; 1 for one holdout.
    holdout_share : float
        Share of the training rows that a holdout validates on; 0 with more folds.
    n_repeats : int
        How often the rows are dealt to folds anew; 1 for a holdout.
    """

    n_folds: int
    holdout_share: float = 0.0
    n_repeats: int = 1

    @property
    def name(self) -> str:
        """Its name for people: ``5-fold``, ``2 x 5-fold`` or ``holdout``."""
        if self.n_folds == 1:
            return "holdout"
        repeated = f"{self.n_repeats} x " if self.n_repeats > 1 else ""
        return f"{repeated}{self.n_folds}-fold"


def choose_locked_share(n_rows: int, wanted: float = 0.0) -> float:
    """Choose the share of rows that is set apart for the final measurement.

    Every locked row is missing in training. 2,500 rows give an AUC to about one hundredth; more of
    them narrow the interval slowly, while the rows that they leave make the model better.

    Parameters
    ----------
    n_rows : int
        Rows that have a target.
    wanted : float, default 0
        What the user asks for; 0 to choose.

    Returns
    -------
    float
        A fifth up to 12,500 rows, then what 2,500 rows are, and a tenth from 25,000 rows.

    Examples
    --------
    >>> choose_locked_share(5_000), choose_locked_share(20_000), choose_locked_share(1_000_000)
    (0.2, 0.125, 0.1)
    """
    low, high = LOCKED_BOUNDS
    return wanted or min(max(LOCKED_ROWS / max(n_rows, 1), low), high)


def choose_scheme(
    n_train: int,
    *,
    budget_seconds: float,
    folds: int = 0,
    repeats: int = 0,
    n_groups: int | None = None,
) -> Scheme:
    """Choose the number of folds by what the table and the budget allow.

    The error of a score falls with the number of rows that it is measured on, so a small table
    needs all its rows validated, and a large one does not: 20,000 rows give an AUC to about half
    a hundredth. Each fold costs one fit, so a short budget buys more trials with fewer folds. A
    long one tries so many recipes on a small table that some look good by the luck of the deal:
    those lose it when the rows are dealt again.

    Parameters
    ----------
    n_train : int
        Rows that are not locked.
    budget_seconds : float
        Wall-clock of the whole run.
    folds, repeats : int, default 0
        What the user asks for; 0 to choose.
    n_groups : int, optional
        Groups of which these rows are, at least two; None where each row is dealt by itself.

    Returns
    -------
    Scheme
        - up to 20,000 rows: 5 folds, dealt twice below 2,000 rows from 2 minutes on;
        - up to 100,000 rows: 3 folds;
        - above: one holdout of a fifth, at most 100,000 rows.

        With a budget below 30 seconds at most 3 folds, and a holdout from 20,000 rows. Of groups
        there are no more folds than groups, none is dealt twice with fewer than two groups a fold,
        and 3 folds take the place of a holdout of fewer than 20 groups.

    Raises
    ------
    SplitError
        Fewer than 10 rows are left to train on, or fewer than two for each fold asked for, or fewer
        groups than that; or a holdout, or folds of one group, shall be repeated.

    Examples
    --------
    >>> choose_scheme(1_500, budget_seconds=600).name
    '2 x 5-fold'
    >>> choose_scheme(800_000, budget_seconds=600)
    Scheme(n_folds=1, holdout_share=0.125, n_repeats=1)
    >>> choose_scheme(800_000, budget_seconds=600, n_groups=40).name
    '3-fold'
    """
    if n_train < MIN_TRAIN_ROWS:
        raise SplitError(
            f"{n_train} rows are left to train on",
            expected=f"at least {MIN_TRAIN_ROWS}",
            fix="add rows, or lock fewer of them with --set split.locked_share=0.2",
        )
    if folds > n_train // 2:
        raise SplitError(
            f"{n_train} training rows for {folds} folds",
            expected="at least two rows a fold",
            fix=f"set at most --set split.folds={n_train // 2}",
        )
    if n_groups is not None and folds > n_groups:
        raise SplitError(
            f"{n_groups} groups of training rows for {folds} folds",
            expected="at least one group a fold",
            fix=f"set at most --set split.folds={n_groups}",
        )
    most = n_train if n_groups is None else n_groups
    share = min(HOLDOUT_SHARE, HOLDOUT_ROWS / max(n_train, 1))
    chosen = folds or min(_folds_of(n_train, budget_seconds, n_groups, share), most)
    if chosen > 1 and (repeats < 2 or chosen < most):
        small = n_train < SMALL_ROWS and budget_seconds >= LONG_SECONDS and not folds
        often = LONG_REPEATS if small and most >= 2 * chosen else 1
        return Scheme(chosen, n_repeats=repeats or often)
    if repeats > 1:
        is_one = chosen == 1
        folds_of_one = f"{chosen} folds of one group each"
        raise SplitError(
            f"{repeats} repeats of {'one holdout' if is_one else folds_of_one}",
            expected="folds to repeat" if is_one else "more groups than folds",
            fix=f"{'set --set split.folds=3, or ' * is_one}leave out split.repeats={repeats}",
        )
    return Scheme(1, share)


def _folds_of(n_train: int, budget_seconds: float, n_groups: int | None, share: float) -> int:
    """Return the number of folds for a table and a budget; 1 for a holdout of a share."""
    is_short = budget_seconds < SHORT_SECONDS
    if n_train > LARGE_ROWS or (is_short and n_train > MEDIUM_ROWS):
        return 1 if n_groups is None or n_groups * share >= HOLDOUT_GROUPS else 3
    return 3 if n_train > MEDIUM_ROWS or is_short else 5
