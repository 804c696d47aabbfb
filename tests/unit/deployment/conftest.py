"""A cluster that is a double at the HTTP edge, and quick."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from regatta.deployment import Cluster
from tests.kserve_double import Double, quickly, serving
from tests.object_store import object_store

__all__ = ["cluster", "double", "object_store"]


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    quickly(monkeypatch)
    with serving(Double()) as running:
        yield running


@pytest.fixture
def cluster(double: Double) -> Cluster:
    return Cluster(client.ApiClient(client.Configuration(host=double.url)), "regatta")
