"""How services start, stop and replace each other."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regatta.artifacts import write_json, writing
from regatta.bundle import Bundle
from regatta.errors import ServiceError, UsageError
from regatta.registry import Registry
from regatta.serving import services
from regatta.serving.client import Client
from regatta.serving.grpc_client import GrpcClient
from regatta.serving.sockets import bind
from regatta.settings import RunSettings
from regatta.stages import deploy
from tests import toy_bundle
from tests.server.asking import Rows, free_port


def release(
    registry: Registry, bundle_path: Path, folder: Path, rows: Rows, predictions: Any, **chosen: Any
) -> dict[str, Any]:
    """Register a bundle as ``toy`` and deploy it; return what the service artifact says."""
    verdict = chosen.pop("verdict", "promote")
    version = registry.register(bundle_path, "toy", verdict=verdict)
    with writing(folder / "version", "version") as place:
        values = {"name": "toy", "version": version.number, "registry": str(registry.root)}
        write_json(place / "version.json", values)
    with writing(folder / "evaluation", "evaluation") as place:
        write_json(place / "samples.json", {"rows": rows, "predictions": predictions})
    settings = RunSettings.from_values({"name": "toy", "deploy": chosen}).to_json()
    paths = [str(folder / name) for name in ("version", "evaluation")]
    deploy.run(*paths, settings, str(folder / "service"))
    return dict(json.loads((folder / "service" / "service.json").read_text()))


@pytest.mark.slow
def test_a_new_version_replaces_the_old_one_without_a_failed_request(
    registry: Registry,
    stopping: Path,
    bundle_path: Path,
    loaded: Bundle,
    rows: Rows,
    tmp_path: Path,
) -> None:
    predictions = loaded.predict_array(pd.DataFrame(rows)).tolist()
    first = release(registry, bundle_path, tmp_path, rows, predictions, port=free_port())
    assert first["max_abs_difference"] < 1e-9
    assert first["protocols_checked"] == ["v1", "v2"]
    old = services.get(stopping, "toy")
    assert (old.url, old.pid, old.version) == (first["url"], first["pid"], "1")
    assert os.getsid(old.pid) != os.getsid(0)

    done = threading.Event()

    def ask() -> list[str]:
        """Ask as a client does that looks up the address each time."""
        versions = []
        while not done.is_set():
            service = services.get(stopping, "toy")
            (answer,) = Client(service.url, "toy").predict_v1(rows[:1])
            assert answer["probabilities"]["yes"] == pytest.approx(predictions[0][1], abs=1e-6)
            versions.append(service.version)
        return versions

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            second = release(registry, bundle_path, tmp_path, rows, predictions, port=first["port"])
            time.sleep(0.3)
        finally:
            done.set()
        seen = [version for one in asking for version in one.result()]
    assert set(seen) == {"1", "2"}
    assert second["version"] == 2
    assert second["port"] != first["port"]
    assert not old.alive()

    # A challenger is not served; the champion goes on.
    third = release(registry, bundle_path, tmp_path, rows, predictions, verdict="keep")
    assert (third["version"], third["pid"]) == (2, second["pid"])

    # Predictions that are not the bundle's: the new service is stopped, the old one stays.
    wrong = [[yes, no] for no, yes in predictions]
    with pytest.raises(ServiceError, match=r"version 4 of toy is not served.*differs") as caught:
        release(registry, bundle_path, tmp_path, rows, wrong)
    assert "ends with" in caught.value.fix
    service = services.get(stopping, "toy")
    assert (service.version, service.alive()) == ("2", True)
    left = subprocess.run(
        ["pgrep", "-f", str(registry.root)], capture_output=True, text=True, check=False
    )
    assert left.stdout.split() == [str(service.pid)]

    assert _stop_by_command("toy") == f"The service toy 2 at {service.url} is stopped.\n"
    assert not service.alive()
    assert services.read(stopping, "toy") is None


def _stop_by_command(name: str) -> str:
    from typer.testing import CliRunner

    from regatta.cli import app

    result = CliRunner().invoke(app, ["stop", name])
    assert result.exit_code == 0, result.output
    return str(result.output)


def test_a_bundle_that_cannot_be_loaded_is_not_served(
    registry: Registry, stopping: Path, bundle_path: Path, tmp_path: Path
) -> None:
    version = registry.register(bundle_path, "toy", verdict="promote")
    file = next(version.bundle.glob("models/*/fold-0/*"))
    content = file.read_bytes()
    file.unlink()  # a link to the file of the other tests
    file.write_bytes(content + b" ")
    listener = bind("127.0.0.1", 0)
    broken = services.start(stopping, version.bundle, "toy", "1", listener)
    with pytest.raises(ServiceError, match="ended before it was ready"):
        services.wait_ready(broken)
    assert "was changed after it was written" in services.tail(Path(broken.log))
    assert services.stop(broken) is False


def test_from_the_first_connection_to_the_last(
    bundle_path: Path, rows: Rows, tmp_path: Path
) -> None:
    service = services.start(tmp_path, bundle_path, "toy", "1", bind("127.0.0.1", 0))
    try:
        refused = 0
        while True:
            try:
                socket.create_connection(("127.0.0.1", service.port), timeout=5).close()
                break
            except ConnectionRefusedError:
                refused += 1
                time.sleep(0.01)
        # The first connection that is accepted finds a model that is warm.
        client = Client(service.url, "toy")
        assert client.ready()
        assert refused > 10
        with pytest.raises(UsageError, match="is taken"):
            bind("127.0.0.1", service.port)
        # SIGTERM finishes what is at work.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            work = pool.submit(client.predict_v1, rows * 200)
            time.sleep(0.3)
            assert services.stop(service)
            assert len(work.result()) == len(rows) * 200
        assert not service.alive()
    finally:
        services.stop(service)
    assert services.stop(service) is False
    bind("127.0.0.1", service.port).close()


def test_a_process_that_took_over_the_number_is_left_alone(tmp_path: Path) -> None:
    import psutil

    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        started = psutil.Process(other.pid).create_time()
        service = services.Service("toy", "1", "http://x", 1, other.pid, started - 60, "", "")
        services.record(tmp_path, service)
        assert services.stop(services.get(tmp_path, "toy")) is False
        assert other.poll() is None
        assert replace(service, started_at=started).alive()
    finally:
        other.kill()
        other.wait()
    assert not service.alive()


def test_regatta_serve_until_ctrl_c(bundle_path: Path, rows: Rows) -> None:
    port = free_port()
    command = [sys.executable, "-m", "regatta.cli", "serve", str(bundle_path)]
    with subprocess.Popen(
        [*command, "--port", str(port)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            client = Client(f"http://127.0.0.1:{port}", "toy")
            deadline = time.monotonic() + 60
            while not client.ready():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert len(client.predict_v1(rows)) == len(rows)
            assert client.metadata()["versions"] is None
            process.send_signal(signal.SIGINT)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no/such/folder"], 3, "does not exist"),
        (["unknown-model"], 3, "no registered model 'unknown-model'"),
    ],
)
def test_regatta_serve_says_what_is_wrong(arguments: list[str], code: int, message: str) -> None:
    command = [sys.executable, "-m", "regatta.cli", "serve", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_one_message(bundle_path: Path) -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "regatta.serving", "--model_dir", str(bundle_path)]
        result = subprocess.run(
            [*command, "--http_port", port], capture_output=True, text=True, check=False
        )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(f"port {port} of 127.0.0.1 is taken")


BROKEN = """
import sys
from regatta.serving.model import BundleModel
from regatta.serving.__main__ import main

async def predict(self, payload, headers=None, response_headers=None):
    raise ZeroDivisionError("secret")

BundleModel.predict = predict
sys.exit(main(sys.argv[1:]))
"""


def test_a_defect_of_the_server_is_answered_counted_and_logged_once(
    bundle_path: Path, rows: Rows
) -> None:
    port, other = free_port(), free_port()
    command = [sys.executable, "-c", BROKEN, "--model_dir", str(bundle_path)]
    command += ["--model_name", "toy", "--http_port", str(port), "--grpc_port", str(other)]
    command += ["--greeting", "ready"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        watch = threading.Timer(60, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            client = Client(f"http://127.0.0.1:{port}", "toy")
            status, body = client.request("POST", "/v1/models/toy:predict", {"instances": rows[:1]})
            assert status == 500
            assert "To fix: read the log" in json.loads(body)["error"]
            assert b"secret" not in body
            with (
                GrpcClient(f"127.0.0.1:{other}", "toy") as grpc_client,
                pytest.raises(ServiceError, match="INTERNAL: the server could not") as caught,
            ):
                grpc_client.predict(rows[:1])
            assert "To fix: read the log" in caught.value.found
            assert "secret" not in caught.value.found
            metrics = client.request("GET", "/metrics")[1].decode()
            counted = 'regatta_requests_total{code="500",model="toy",version=""} 2.0'
            assert counted in metrics.splitlines()
        finally:
            watch.cancel()
            process.terminate()
            _, log = process.communicate(timeout=30)
    assert log.count("Traceback") == 2
    assert "POST /v1/models/toy:predict" in log
    assert "GRPCInferenceService/ModelInfer" in log


def test_the_server_does_not_contain_the_search() -> None:
    code = (
        "import sys, regatta.serving.app, regatta.learners; "
        "bad = [m for m in sys.modules if m.split('.')[0] in ('optuna', 'kfp', 'matplotlib') "
        "or m.startswith(('regatta.search', 'regatta.serving.grpc'))]; "
        "sys.exit(', '.join(bad) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_services(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no service 'toy'"):
        services.get(tmp_path, "toy")
    (tmp_path / "toy.json").write_text("{}")
    with pytest.raises(ServiceError, match="damaged"):
        services.get(tmp_path, "toy")


def test_regression_and_many_classes_are_served(tmp_path: Path) -> None:
    """The other tasks, once each, by the proof that a deployment makes."""
    from regatta import bundle
    from regatta.artifacts import read_json
    from regatta.serving.proof import prove

    started = []
    try:
        for task in ("regression", "multiclass"):
            toy_bundle.build(tmp_path / task, task, learners=("linear",))
            listener = bind("127.0.0.1", 0)
            started.append(services.start(tmp_path, tmp_path / task, "toy", "1", listener))
        for service in started:
            services.wait_ready(service)
            model = bundle.load(service.model_dir)
            described = read_json(Path(service.model_dir) / "bundle.json")
            table = toy_bundle.table_of(model.task).head(20)
            columns = [column.name for column in model.signature]
            text = table[columns].to_json(orient="records", date_format="iso", double_precision=15)
            expected = model.predict_array(table).tolist()
            rows = json.loads(text)
            assert prove(Client(service.url, "toy"), "1", described, rows, expected) < 1e-9
    finally:
        for service in started:
            services.stop(service)
