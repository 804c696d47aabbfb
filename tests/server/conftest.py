"""One real server process on a real bundle, for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from regatta import bundle
from regatta.bundle import Bundle
from regatta.registry import Registry
from regatta.serving import services
from regatta.serving.client import Client
from regatta.serving.services import Service
from regatta.serving.sockets import bind
from tests import toy_bundle


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    toy_bundle.build(path, "binary")
    return path


@pytest.fixture(scope="module")
def loaded(bundle_path: Path) -> Bundle:
    return bundle.load(bundle_path)


@pytest.fixture(scope="module")
def service(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("services")
    started = services.start(folder, bundle_path, "toy", "7", bind("127.0.0.1", 0))
    try:
        services.wait_ready(started)
        yield started
        assert started.alive(), services.tail(Path(started.log), 50)
    finally:
        services.stop(started)


@pytest.fixture
def registry(regatta_home: Path) -> Registry:
    return Registry(regatta_home / "registry")


@pytest.fixture
def stopping(regatta_home: Path) -> Iterator[Path]:
    """Stop every service that a test leaves behind."""
    yield regatta_home / "services"
    for name in services.names(regatta_home / "services"):
        services.stop(services.get(regatta_home / "services", name))


@pytest.fixture
def client(service: Service) -> Client:
    return Client(service.url, service.name)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return toy_bundle.table_of("binary", 60)


@pytest.fixture
def rows(table: pd.DataFrame, loaded: Bundle) -> list[dict[str, object]]:
    return rows_of(table, loaded)


def rows_of(table: pd.DataFrame, loaded: Bundle) -> list[dict[str, object]]:
    """Return the rows of a table as JSON values."""
    columns = [column.name for column in loaded.signature]
    text = table[columns].to_json(orient="records", date_format="iso", double_precision=15)
    import json

    return list(json.loads(text))
