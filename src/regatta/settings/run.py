"""All settings of one run: checked at the edge, frozen inside."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from regatta.errors import SettingsError, nearest
from regatta.names import RULE, is_name
from regatta.settings.budget import BudgetSettings
from regatta.settings.data import DataSettings
from regatta.settings.deploy import DeploySettings
from regatta.settings.ensemble import EnsembleSettings
from regatta.settings.evaluate import EvaluateSettings
from regatta.settings.group import Group
from regatta.settings.keys import CORRECT_KEY, check_keys, check_text, expectation, merge
from regatta.settings.monitor import MonitorSettings
from regatta.settings.search import DimensionSettings, RecipeSettings, SearchSettings
from regatta.settings.split import SplitSettings, check_split

__all__ = ["RunSettings"]


def _checked_name(name: str) -> str:
    """Refuse a name that is no DNS label, in words rather than with a pattern."""
    if not is_name(name):
        raise ValueError(RULE)
    return name


_JSON_NAMES: dict[type, str] = {
    list: "a JSON list",
    str: "a JSON string",
    bool: "a JSON truth value",
    int: "a JSON number",
    float: "a JSON number",
    type(None): "null",
}
# Groups inside of settings, whose keys are not checked before.
_NESTED: dict[str, type[Group]] = {"spaces": DimensionSettings, "recipes": RecipeSettings}


class RunSettings(Group):
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
    monitor: MonitorSettings = MonitorSettings()

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
    def from_values(cls, values: object, named: Mapping[str, str] | None = None) -> "RunSettings":
        """Check nested values.

        Parameters
        ----------
        values : object
            A mapping of settings; groups are mappings in it.
        named : mapping of str to str, optional
            What the user sets a value with, by dotted key, for messages; ``--set`` by default.

        Raises
        ------
        SettingsError
            The values are no mapping, a key is unknown, or a value does not fit or not beside
            another.

        Examples
        --------
        >>> RunSettings.from_values({"search": {"max_trials": 3}}).search.max_trials
        3
        """
        if not isinstance(values, Mapping):
            raise SettingsError(
                f"the settings are {_JSON_NAMES.get(type(values), type(values).__name__)}",
                expected="an object of settings",
                fix='write something like {"seed": 1}',
            )
        check_keys(cls, values)
        check_text(values)
        try:
            settings = cls.model_validate(dict(values))
        except ValidationError as err:
            raise _refusal(err, named or {}) from err
        check_split(settings.split)
        return settings

    def to_json(self) -> str:
        """Return the JSON text that `from_json` reads, values that are not defaults only."""
        return self.model_dump_json(exclude_defaults=True)

    def merged(
        self, values: Mapping[str, Any], named: Mapping[str, str] | None = None
    ) -> "RunSettings":
        """Return settings with some values replaced.

        Parameters
        ----------
        values : mapping
            Nested values, as `from_values` takes them; they win.
        named : mapping of str to str, optional
            What the user sets these with, as `from_values` takes it.
        """
        both = merge(self.model_dump(exclude_defaults=True), values)
        return RunSettings.from_values(both, named)


def _refusal(err: ValidationError, named: Mapping[str, str]) -> SettingsError:
    """Put the first thing that is wrong into words."""
    first = err.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "missing"):
        name = str(first["loc"][-1])
        # An empty group has no key of its own that could have been checked before.
        nested = _NESTED[str(first["loc"][1])] if len(first["loc"]) > 1 else RunSettings
        known = list(nested.model_fields)
        is_missing = first["type"] == "missing"
        return SettingsError(
            f"setting {key!r} is missing"
            if is_missing
            else f"there is no setting {key!r}{nearest(name, known)}",
            expected="one with " + ", ".join(known),
            fix="add it" if is_missing else CORRECT_KEY,
        )
    hint = ""
    if first["type"] == "literal_error":
        # The message names the choices between quotes.
        hint = nearest(str(first["input"]), first["msg"].split("'")[1::2])
    return SettingsError(
        f"setting {key!r} is {first['input']!r}{hint}",
        expected=expectation(first["msg"]),
        fix=f"set another value with {named.get(key, f'--set {key}=…')}",
    )
