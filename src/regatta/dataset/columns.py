"""The columns of a file while its chunks pass by: how each is turned into values."""

import pyarrow as pa
from pyarrow import compute as pc

from regatta.dataset.source import Source
from regatta.dataset.typing import NONE, Plan, TextColumn, Wanted, apply, na_array
from regatta.settings import DataSettings

__all__ = ["Columns"]

_WANTED: dict[str, Wanted] = {
    "numeric": "numeric",
    "boolean": "boolean",
    "categorical": "text",
    "text": "text",
    "datetime": "datetime",
}


class Columns:
    """The columns seen so far, and how each is turned into values."""

    def __init__(self, source: Source, settings: DataSettings) -> None:
        self._settings = settings
        self._comma = source.format == "csv" and source.delimiter != ","
        self._texts: dict[str, TextColumn] = {}
        self._natives: dict[str, Plan] = {}
        self._numbers = pa.array(_na_numbers(settings.na_values), pa.float64())
        self.names: list[str] = []
        self._known: set[str] = set()

    @property
    def plans(self) -> dict[str, Plan]:
        """How each column is read by what was seen of it."""
        return {name: self._natives.get(name) or self._texts[name].plan for name in self.names}

    @property
    def ambiguous(self) -> list[str]:
        """Columns of dates in which day and month could be swapped."""
        return [name for name, column in self._texts.items() if column.ambiguous]

    @property
    def thousands(self) -> dict[str, str]:
        """One number of each column whose commas or points may all separate thousands."""
        return {name: column.thousands for name, column in self._texts.items() if column.thousands}

    def take(self, table: pa.Table) -> dict[str, pa.ChunkedArray]:
        """Take the next rows into account, and return their values by the plans so far."""
        pairs = zip(table.column_names, table.itercolumns(), strict=True)
        if table.num_rows:
            return {name: self._take(name, column) for name, column in pairs}
        # Nothing to learn from no rows, and a wide table has thousands of columns.
        for name, column in pairs:
            self._know(name, column)
        return {}

    def _know(self, name: str, column: pa.ChunkedArray) -> Plan | None:
        """Note a column that comes for the first time; return its plan unless it is of texts."""
        if name not in self._known:
            self._known.add(name)
            self.names.append(name)
        if not pa.types.is_string(column.type):
            return self._natives.setdefault(name, _native_plan(column.type))
        if name not in self._texts:
            wanted = _WANTED.get(self._settings.kinds.get(name, ""), "")
            self._texts[name] = TextColumn(
                self._settings.na_values,
                decimal_comma=self._comma,
                marks=self._marks(name),
                wanted=wanted,
            )
        return None

    def _take(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        before = self._know(name, column)
        if before is None:
            return self._without_numbers(self._texts[name].take(column))
        plan = _native_plan(column.type)
        if before.dtype == "float64":
            column = pc.cast(column, pa.float64(), safe=False)
        else:
            self._natives[name] = plan
        return self._without_numbers(column)

    def values(self, table: pa.Table, plans: dict[str, Plan]) -> dict[str, pa.ChunkedArray]:
        """Return values by plans that are known to fit; a missing column is null."""
        given = {}
        columns = dict(zip(table.column_names, table.itercolumns(), strict=True))
        for name, plan in plans.items():
            column = columns.get(name)
            if column is None:
                given[name] = pa.chunked_array([pa.nulls(table.num_rows, plan.arrow)])
            elif pa.types.is_string(column.type):
                given[name] = self._applied(name, column, plan)
            else:
                given[name] = pc.cast(column, plan.arrow, safe=False)
        return {name: self._without_numbers(column) for name, column in given.items()}

    def _marks(self, name: str) -> bool:
        """Return whether marks may mean missing values; of a target they may be a class."""
        return name != self._settings.target

    def _applied(self, name: str, texts: pa.ChunkedArray, plan: Plan) -> pa.ChunkedArray:
        na_values = na_array(self.na_values(plan))
        values = apply(texts, plan, na_values, marks=self._marks(name))
        return pa.chunked_array([pa.nulls(len(texts), plan.arrow)]) if values is None else values

    def na_values(self, plan: Plan) -> tuple[str, ...]:
        """Return the texts that mean a missing value under a plan."""
        return tuple(t for t in self._settings.na_values if t != NONE or not plan.keeps_none)

    def _without_numbers(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Turn numbers that mean a missing value, such as -999, into null."""
        numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        if not len(self._numbers) or not numeric:
            return column
        found = pc.is_in(pc.cast(column, pa.float64(), safe=False), value_set=self._numbers)
        return pc.if_else(found, pa.scalar(None, column.type), column)


def _na_numbers(texts: tuple[str, ...]) -> list[float]:
    """Return the texts that mean a missing value and are numbers, as numbers."""
    numbers = []
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            continue
        if number == number:
            numbers.append(number)
    return numbers


def _native_plan(dtype: pa.DataType) -> Plan:
    if pa.types.is_boolean(dtype):
        return Plan("bool")
    if pa.types.is_timestamp(dtype):
        return Plan("timestamp")
    return Plan("int64" if pa.types.is_integer(dtype) else "float64")
