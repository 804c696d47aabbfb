"""``regatta submit train`` as a user types it, against the double of Kubeflow Pipelines."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from regatta.cli import app
from tests.unit.cluster.doubles import PipelinesDouble, recorded

__all__ = ["TABLE", "double", "submit"]

TABLE = ["--source", "s3://tables/churn.csv", "--target", "churn"]


@pytest.fixture
def double() -> Iterator[PipelinesDouble]:
    with PipelinesDouble(recorded("finished.json")).serving() as served:
        assert isinstance(served, PipelinesDouble)
        yield served


def submit(url: str, *more: str) -> tuple[Any, str]:
    """Return the error that ends the command, and what it printed."""
    result = CliRunner().invoke(app, ["submit", "train", "--host", url, *TABLE, *more])
    return result.exception, result.output
