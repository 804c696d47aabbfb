"""``regatta serve`` as a process: what it says, and when."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from regatta.serving.grpc_client import GrpcClient
from regatta.serving.sockets import bind
from tests import toy_bundle

COMMAND = [sys.executable, "-m", "regatta.cli", "serve"]


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    toy_bundle.build(path, "regression", learners=("linear",))
    return path


def refused(*arguments: object) -> str:
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("name", ["Bad/../n", "churn_2", "-x", "x" * 51, "a b"])
def test_names_that_no_url_should_have(bundle_path: Path, name: str) -> None:
    message = refused(bundle_path, f"--name={name}")
    assert "expected lower-case letters, digits and hyphens, at most 50 characters" in message
    assert "[a-z" not in message


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_taken_port_is_one_message_and_no_hint(bundle_path: Path, option: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        message = refused(bundle_path, "--port", 0, option, port)
    assert message.startswith(f"port {port} of 127.0.0.1 is taken; expected a free port")
    assert message.count("\n") == 1


def test_the_hint_comes_when_connections_are_accepted(bundle_path: Path) -> None:
    """With port 0 as well: the hint is where the number is said."""
    command = [*COMMAND, str(bundle_path), "--port", "0", "--name", "mine"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        watch = threading.Timer(60, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "mine is ready. Ask it with\n"
            process.stdout.readline()
            curl, url, flag, _ = process.stdout.readline().split(maxsplit=3)
            assert (curl, flag) == ("curl", "-d")
            model, _, verb = url.rpartition(":")
            assert verb == "predict"
            assert httpx.get(model).json() == {"name": "mine", "ready": True}
        finally:
            watch.cancel()
            process.terminate()
    assert process.returncode == 0


def test_grpc_and_the_longest_body_are_chosen(bundle_path: Path) -> None:
    with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as two:
        port, grpc_port = (socket.getsockname()[1] for socket in (one, two))
    command = [*COMMAND, str(bundle_path), "--name", "mine", "--port", str(port)]
    command += ["--grpc-port", str(grpc_port), "--max-body-bytes", "2000"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        watch = threading.Timer(60, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "mine is ready. Ask it with\n"
            signature = json.loads((bundle_path / "bundle.json").read_text())["signature"]
            row = {column["name"]: column["example"] for column in signature}
            url = f"http://127.0.0.1:{port}/v1/models/mine:predict"
            (answer,) = httpx.post(url, json={"instances": [row]}).json()["predictions"]
            with GrpcClient(f"127.0.0.1:{grpc_port}", "mine") as client:
                (same,) = client.predict([row])
            assert same["prediction"] == pytest.approx(answer["prediction"], abs=1e-12)
            assert httpx.post(url, json={"instances": [row] * 20}).status_code == 413
        finally:
            watch.cancel()
            process.terminate()


def test_the_name_of_a_run_is_refused_in_the_same_words() -> None:
    command = [sys.executable, "-m", "regatta.cli", "run", "x.csv", "--name", "Bad/../n"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "expected lower-case letters, digits and hyphens, at most 50 characters" in done.stderr
    assert "pattern" not in done.stderr
