"""Every error that Regatta raises on purpose.

Each one says three things: what was found, what was expected, what to do. The class fixes the
exit code of the command line and the HTTP status of the server, so that neither has to guess.

```text
RegattaError
├─ UsageError            the caller can fix it        exit 2, HTTP 400
│  ├─ SettingsError      unknown key, value out of range
│  ├─ BudgetError        the budget fits no trial
│  ├─ RequestError       a prediction request that the signature refuses
│  └─ DataError          the table
│     ├─ SchemaError     its columns
│     ├─ TargetError     its target
│     └─ SplitError      too few rows of a class to split
├─ ArtifactError         missing, corrupt, foreign or too new   exit 3, HTTP 500
├─ SearchError           no trial succeeded                     exit 1, HTTP 500
├─ TrialSkipped          recorded by the lane, never fatal
├─ DefectError           a task ended without a reason          exit 1, HTTP 500
├─ ServiceError          the service is not ready               exit 1, HTTP 503
└─ ClusterError          Kubernetes, Kubeflow Pipelines         exit 4, HTTP 503
   ├─ StoreError         the object store
   └─ DeployError        a version that a cluster does not serve
```
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "ArtifactError",
    "BudgetError",
    "ClusterError",
    "DataError",
    "DefectError",
    "DeployError",
    "RegattaError",
    "RequestError",
    "SchemaError",
    "SearchError",
    "ServiceError",
    "SettingsError",
    "SplitError",
    "StoreError",
    "TargetError",
    "TrialSkipped",
    "UsageError",
    "nearest",
]


class RegattaError(Exception):
    """An error with a cause, an expectation and a fix.

    Parameters
    ----------
    found : str
        What was found, with the offending name or value in it.
    expected : str, default ""
        What was expected instead. Left out of the message when empty.
    fix : str
        What the caller can do about it, in the imperative.

    Examples
    --------
    >>> print(DataError("the table has no rows", expected="at least 20", fix="check the export"))
    the table has no rows; expected at least 20. To fix: check the export
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, found: str, *, expected: str = "", fix: str) -> None:
        self.found = found
        self.expected = expected
        self.fix = fix
        wanted = f"; expected {expected}" if expected else ""
        super().__init__(f"{found}{wanted}. To fix: {fix}")

    def as_dict(self) -> dict[str, str | int]:
        """Return the error as plain values for an event or a response body."""
        return {
            "code": self.code,
            "exit_code": self.exit_code,
            "found": self.found,
            "expected": self.expected,
            "fix": self.fix,
            "message": str(self),
        }


class UsageError(RegattaError):
    """The caller asked for something that cannot be, and can change it."""

    code = "usage"
    exit_code = 2
    http_status = 400


class SettingsError(UsageError):
    """A setting is unknown, out of range or contradicts another."""

    code = "settings"


class BudgetError(UsageError):
    """The budget is too small to fit a single trial."""

    code = "budget"


class RequestError(UsageError):
    """A prediction request does not fit the model's signature."""

    code = "request"


class DataError(UsageError):
    """The table cannot be read or cannot be learnt from."""

    code = "data"


class SchemaError(DataError):
    """The columns of the table are not usable as they are."""

    code = "schema"


class TargetError(DataError):
    """The target column is absent or cannot be predicted."""

    code = "target"


class SplitError(DataError):
    """There are too few rows to split."""

    code = "split"


class ArtifactError(RegattaError):
    """An artifact is missing, corrupt, of another kind, or written by a newer version."""

    code = "artifact"
    exit_code = 3


class SearchError(RegattaError):
    """No trial in any lane succeeded."""

    code = "search"


class TrialSkipped(RegattaError):  # noqa: N818 - it is a row of the leaderboard, no error
    """A trial was not tried: too large, too slow or not applicable. Recorded, never fatal."""

    code = "skipped"


class DefectError(RegattaError):
    """A task ended without saying why: a fault of Regatta's, or the system killed it."""

    code = "defect"


class ServiceError(RegattaError):
    """The prediction service is not ready or not equal to its bundle."""

    code = "service"
    http_status = 503


class ClusterError(RegattaError):
    """Kubernetes, Kubeflow Pipelines or the object store refused or did not answer."""

    code = "cluster"
    exit_code = 4
    http_status = 503


class StoreError(ClusterError):
    """The object store refused, has no such bucket or object, or did not answer."""

    code = "store"


class DeployError(ClusterError):
    """A cluster does not serve the version that it was told to; the one before it goes on."""

    code = "deploy"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name nearest to a mistyped one, or ``""``.

    Examples
    --------
    >>> nearest("chrun", ["churn", "tenure"])
    " (did you mean 'churn'?)"
    >>> nearest("zzz", ["churn"])
    ''
    """
    candidates = list(known)
    by_lower = {candidate.lower(): candidate for candidate in reversed(candidates)}
    found = difflib.get_close_matches(name.lower().strip(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean {by_lower[found[0]]!r}?)" if found else ""
