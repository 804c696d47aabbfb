"""Settings of a run: checked at the edge, frozen inside, one JSON string between tasks.

Names carry their units. The docstring under each field says what it does and why its default is
what it is; ``regatta run --set search.max_trials=20`` sets one by its dotted key.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from regatta.errors import SettingsError, nearest
from regatta.names import RULE, is_name

__all__ = [
    "BudgetSettings",
    "DataSettings",
    "DeploySettings",
    "EnsembleSettings",
    "EvaluateSettings",
    "RunSettings",
    "SearchSettings",
    "SplitSettings",
    "Task",
    "parse_overrides",
]

Task = Literal["binary", "multiclass", "regression"]
TaskChoice = Literal["auto", "binary", "multiclass", "regression"]
Strategy = Literal["portfolio", "grid", "random", "bayes"]
ColumnKind = Literal["numeric", "boolean", "categorical", "text", "datetime", "ignore"]


class _Group(BaseModel):
    """A frozen group of settings that knows its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DataSettings(_Group):
    """How the table is read and understood."""

    source: str = ""
    """Path of the table: CSV, Parquet or JSON lines."""
    target: str = ""
    """Column to predict."""
    task: TaskChoice = "auto"
    """What kind of prediction; ``auto`` decides by the target's type and number of values."""
    delimiter: str = ""
    """Field separator of a CSV file; empty: found out from the first lines."""
    encoding: str = ""
    """Encoding of a CSV or JSON-lines file; empty: UTF-8, or what a byte-order mark says."""
    na_values: tuple[str, ...] = (
        "",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "<NA>",
        "NaN",
        "nan",
        "NaT",
        "null",
        "NULL",
        "None",
        "?",
    )
    """Texts that mean a missing value, compared after blanks around them are cut. ``None`` stays
    a value where it is a common category rather than rare (see `regatta.dataset`)."""
    ignore: tuple[str, ...] = ()
    """Columns that are not used."""
    kinds: dict[str, ColumnKind] = Field(default_factory=dict)
    """Kind of a column, by name, where the detection should be overruled."""
    max_field_bytes: int = Field(default=8_388_608, ge=1024)
    """Longest field of a CSV file, in bytes; a longer one is nearly always a quote left open."""
    max_classes: int = Field(default=100, ge=2)
    """More classes than this are taken for a wrong target."""


class SplitSettings(_Group):
    """How rows are set apart."""

    locked_share: float = Field(default=0.2, gt=0, lt=0.9)
    """Share of rows that only ``evaluate`` may read."""
    folds: int = Field(default=0, ge=0, le=20)
    """Number of cross-validation folds, 1 for one holdout; 0: by table size and budget."""


class SearchSettings(_Group):
    """Which trials race."""

    metric: str = "auto"
    """Metric to optimise; ``auto``: ROC AUC (binary), log-loss (multiclass), RMSE (regression)."""
    strategy: Strategy = "portfolio"
    """Which recipes are tried, in which order."""
    learners: tuple[str, ...] = ()
    """Keys of the learners to use; empty: all that suit the task."""
    lanes: int = Field(default=1, ge=1, le=256)
    """Number of trial tasks (``regatta run --workers``): one lane is one pod on a cluster."""
    cores: int = Field(default=0, ge=0)
    """Cores for each lane; 0: all cores of the machine or pod, shared by its lanes."""
    max_trials: int = Field(default=0, ge=0)
    """Most trials over all lanes; 0: as many as the budget holds."""
    memory_bytes: int = Field(default=0, ge=0)
    """Memory limit of one trial; 0: 80 % of what is free, shared by the trials at work."""
    trial_seconds: float = Field(default=0, ge=0)
    """Longest time for one trial; 0: what the plan gives it."""


class BudgetSettings(_Group):
    """How long the whole run may take."""

    seconds: float = Field(default=300, gt=0)
    """Wall-clock of the whole command."""
    started_at: float = Field(default=0, ge=0)
    """When the budget began, in seconds since the epoch; 0: when the lane starts."""


class EnsembleSettings(_Group):
    """How trials are combined."""

    max_members: int = Field(default=8, ge=1)
    """Most trials in the ensemble. More add little score and cost latency."""
    iterations: int = Field(default=50, ge=1)
    """Steps of the greedy selection (Caruana et al., 2004)."""


class EvaluateSettings(_Group):
    """How the winner is measured on the locked rows."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the intervals."""
    resamples: int = Field(default=1000, ge=50)
    """Bootstrap resamples of the locked rows; large locked parts take fewer."""
    max_rows: int = Field(default=50_000, ge=100)
    """Most locked rows that are scored, drawn at random. More would take time and hardly narrow
    an interval: with 50,000 rows that of an accuracy is 0.9 points wide at most."""


def _checked_label(name: str) -> str:
    """Refuse a name that no namespace can have."""
    if not is_name(name):
        raise ValueError(RULE)
    return name


class DeploySettings(_Group):
    """Where the winner is registered and served."""

    target: Literal["local", "kserve", "none"] = "local"
    """``local``: a KServe model server process on this machine; ``kserve``: an InferenceService of
    a cluster; ``none``: register only."""
    registry: str = ""
    """Folder of the registry, or ``s3://bucket/folder`` in an object store, which ``kserve``
    needs; empty: ``$REGATTA_HOME/registry``, by default in ``~/.regatta``."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port of the local service; 0: 8080, or a free one if that is taken."""
    namespace: Annotated[str, AfterValidator(_checked_label)] = "regatta"
    """Namespace of the InferenceService."""
    service_account: str = "regatta-serve"
    """Whom the service runs as: the account whose Secret opens the object store."""
    runtime: str = "regatta"
    """ServingRuntime of the service; empty: one that KServe finds by the format ``regatta``."""
    replicas: int = Field(default=1, ge=1, le=1000)
    """Pods of the service."""
    cpu: str = ""
    """Request and limit of a pod, such as ``500m``; empty: those of the runtime."""
    memory: str = ""
    """Request and limit of a pod, such as ``1Gi``; empty: those of the runtime."""
    timeout_seconds: float = Field(default=300, ge=10, le=3600)
    """How long a version may take on a cluster until it serves."""


def _checked_name(name: str) -> str:
    """Refuse a name that is no DNS label, in words rather than with a pattern."""
    if not is_name(name):
        raise ValueError(RULE)
    return name


class RunSettings(_Group):
    """All settings of one run."""

    name: Annotated[str, AfterValidator(_checked_name)] = "model"
    """Name of the model in the registry and of its service (a DNS label)."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """The one seed; every draw is derived from it by `numpy.random.SeedSequence`."""
    data: DataSettings = DataSettings()
    split: SplitSettings = SplitSettings()
    search: SearchSettings = SearchSettings()
    budget: BudgetSettings = BudgetSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    deploy: DeploySettings = DeploySettings()

    @classmethod
    def from_json(cls, text: str) -> "RunSettings":
        """Read settings from the JSON text that travels between tasks.

        Raises
        ------
        SettingsError
            The text is no JSON object, or a value in it does not fit.
        """
        try:
            values = json.loads(text or "{}")
        except ValueError as err:
            raise SettingsError(
                f"the settings are not JSON ({err})",
                expected='a JSON object like {"search": {"max_trials": 20}}',
                fix="check quotes and brackets",
            ) from err
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: object) -> "RunSettings":
        """Check nested values.

        Raises
        ------
        SettingsError
            The values are no mapping, a key is unknown, or a value does not fit.

        Examples
        --------
        >>> RunSettings.from_values({"search": {"max_trials": 3}}).search.max_trials
        3
        """
        if not isinstance(values, Mapping):
            raise SettingsError(
                f"the settings are {type(values).__name__}",
                expected="an object of settings",
                fix='write something like {"seed": 1}',
            )
        for key in _flat_keys(values):
            _check_key(key)
        _check_text(values)
        try:
            return cls.model_validate(dict(values))
        except ValidationError as err:
            first = err.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            hint = ""
            if first["type"] == "literal_error":
                # The message names the choices between quotes.
                hint = nearest(str(first["input"]), first["msg"].split("'")[1::2])
            raise SettingsError(
                f"setting {key!r} is {first['input']!r}{hint}",
                expected=_expectation(first["msg"]),
                fix=f"set another value with --set {key}=…",
            ) from err

    def to_json(self) -> str:
        """Return the JSON text that `from_json` reads, values that are not defaults only."""
        return self.model_dump_json(exclude_defaults=True)

    def merged(self, values: Mapping[str, Any]) -> "RunSettings":
        """Return settings with some values replaced.

        Parameters
        ----------
        values : mapping
            Nested values, as `from_values` takes them; they win.
        """
        return RunSettings.from_values(_merge(self.model_dump(exclude_defaults=True), values))


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` texts into nested values.

    Parameters
    ----------
    pairs : sequence of str
        Dotted keys and values. A value is read as JSON where it is JSON, else as text; for a
        setting that holds several values, a comma separates them.

    Raises
    ------
    SettingsError
        A text has no ``=`` or an unknown key.

    Examples
    --------
    >>> parse_overrides(["search.max_trials=3", "search.learners=linear,lightgbm"])
    {'search': {'max_trials': 3, 'learners': ['linear', 'lightgbm']}}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals:
            raise SettingsError(
                f"--set {pair!r} has no '='",
                expected="key=value",
                fix="write it like --set search.max_trials=20",
            )
        _check_key(key)
        group, _, name = key.rpartition(".")
        place = values
        for part in group.split(".") if group else ():
            place = place.setdefault(part, {})
        place[name] = _value(key, text)
    return values


def _value(key: str, text: str) -> Any:
    """Read one value; a tuple's may be separated by commas."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if _fields()[key] == "many" and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text if _fields()[key] == "text" else value


def _fields() -> dict[str, str]:
    """Return every dotted key with what it holds: ``many``, ``text``, ``map`` or ``one``."""
    found: dict[str, str] = {}
    for name, field in RunSettings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Group):
            for inner, inner_field in field.annotation.model_fields.items():
                found[f"{name}.{inner}"] = _holds(inner_field.annotation)
        else:
            found[name] = _holds(field.annotation)
    return found


def _holds(annotation: Any) -> str:
    """Classify a field by its annotation."""
    if str(annotation).startswith("tuple"):
        return "many"
    if str(annotation).startswith("dict"):
        return "map"
    return "text" if annotation is str else "one"


def _check_key(key: str) -> None:
    """Raise `SettingsError` for an unknown dotted key, with the nearest known one."""
    known = _fields()
    if key in known or any(
        key.startswith(f"{name}.") for name, holds in known.items() if holds == "map"
    ):
        return
    last = {name.rpartition(".")[2]: name for name in known}
    hint = nearest(key, known)
    if not hint and (near := nearest(key.rpartition(".")[2], last)):
        hint = f" (did you mean {last[near.split(chr(39))[1]]!r}?)"
    raise SettingsError(
        f"there is no setting {key!r}{hint}",
        expected="one of " + ", ".join(sorted(known)),
        fix="correct the key; docs/settings.md describes each",
    )


def _check_text(values: Mapping[str, Any]) -> None:
    """Raise `SettingsError` for a text that no file can hold: bytes that were not UTF-8."""
    try:
        json.dumps(values, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as err:
        raise SettingsError(
            f"a setting holds {err.object[err.start : err.end]!r}, bytes that are no UTF-8",
            expected="UTF-8 text",
            fix="set the locale to UTF-8, such as LC_ALL=C.UTF-8, or rename the file or column",
        ) from err


def _flat_keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of nested values; a mapping that is a value itself stays whole."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in _fields():
            yield from _flat_keys(value, f"{name}.")
        else:
            yield name


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with those of `over` replacing those of `base`."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _expectation(message: str) -> str:
    """Turn pydantic's sentence into what was expected."""
    for lead in ("Input should be ", "Value error, "):
        if message.startswith(lead):
            return message[len(lead) :]
    return message[0].lower() + message[1:]
