"""Settings of a run: checked at the edge, frozen inside, one JSON string between tasks.

Names carry their units. The docstring under each field says what it does and why its default is
what it is; ``regatta run --set search.max_trials=20`` sets one by its dotted key. Each group has a
module.
"""

from regatta.settings.budget import BudgetSettings
from regatta.settings.data import DataSettings, Task
from regatta.settings.deploy import DeploySettings
from regatta.settings.ensemble import EnsembleSettings
from regatta.settings.evaluate import EvaluateSettings
from regatta.settings.monitor import MonitorSettings
from regatta.settings.overrides import parse_overrides
from regatta.settings.run import RunSettings
from regatta.settings.search import DimensionSettings, RecipeSettings, SearchSettings
from regatta.settings.split import SplitSettings

__all__ = [
    "BudgetSettings",
    "DataSettings",
    "DeploySettings",
    "DimensionSettings",
    "EnsembleSettings",
    "EvaluateSettings",
    "MonitorSettings",
    "RecipeSettings",
    "RunSettings",
    "SearchSettings",
    "SplitSettings",
    "Task",
    "parse_overrides",
]
