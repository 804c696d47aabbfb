"""``regatta serve`` and ``regatta stop``."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from regatta.cli.options import Registry

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(serve)
    app.command()(stop)


def serve(
    model: Annotated[
        str,
        typer.Argument(
            help="A bundle folder, a run folder, or a registered name: name, name@3, "
            "name@champion.",
            show_default=False,
        ),
    ],
    port: Annotated[int, typer.Option(help="Port; 0 for a free one.", min=0, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 for all.")] = "127.0.0.1",
    name: Annotated[str, typer.Option(help="Name in URLs; the model's own if left out.")] = "",
    registry: Registry = "",
    grpc_port: Annotated[
        int | None,
        typer.Option(
            help="Port of V2 over gRPC; 0 for a free one.",
            show_default="no gRPC",
            min=0,
            max=65535,
        ),
    ] = None,
    max_body_bytes: Annotated[
        int | None,
        typer.Option(
            help="Longest request body, and longest message of gRPC.",
            show_default="32 MiB",
            min=1,
        ),
    ] = None,
) -> None:
    """Serve a model over KServe's protocols V1 and V2, until Ctrl-C."""
    from regatta.artifacts import open_artifact, read_json
    from regatta.registry import find, registry_root
    from regatta.serving.sockets import bind

    if name:
        _check_name(name)
    found = find(model, registry_root(registry))
    artifact = open_artifact(found.bundle, "bundle", verify=False)
    described = read_json(artifact.file("bundle.json"))
    served = name or found.name or str(described["name"])
    # Bound here, so that a port that is taken is said at once, and nothing else before it.
    listener = bind(host, port)
    command = [sys.executable, "-m", "regatta.serving", "--model_name", served]
    command += ["--model_dir", str(found.bundle), "--model_version", found.version]
    command += ["--greeting", _how_to_call(described, served, *listener.getsockname()[:2])]
    if grpc_port is not None:
        command += ["--grpc_port", str(grpc_port)]
    if max_body_bytes is not None:
        command += ["--max_body_bytes", str(max_body_bytes)]
    # The process keeps the socket: what is executed below has it under the same number.
    listener.set_inheritable(True)
    command += ["--listen_fd", str(listener.fileno())]
    # This process becomes the server: its signals and its end are the server's.
    os.execv(sys.executable, command)


def _check_name(name: str) -> None:
    """Refuse a name that no URL should have."""
    from regatta.errors import UsageError
    from regatta.names import RULE, is_name

    if not is_name(name):
        raise UsageError(
            f"--name {name[:60]!r} cannot be the name of a model",
            expected=RULE,
            fix="choose another --name, or leave it out",
        )


def _how_to_call(described: dict[str, Any], name: str, host: str, port: int) -> str:
    """Return a command that asks for one prediction."""
    row = {column["name"]: column["example"] for column in described["signature"]}
    body = shlex.quote(json.dumps({"instances": [row]}, ensure_ascii=False))
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    address = f"[{reached}]" if ":" in reached else reached
    url = f"http://{address}:{port}/v1/models/{name}:predict"
    return f"{name} is ready. Ask it with\n\n  curl {url} -d {body}\n"


def stop(
    name: Annotated[str, typer.Argument(help="Name of a service.", show_default=False)],
) -> None:
    """Stop a service that `regatta run` started; requests at work are finished first."""
    from regatta.registry import home
    from regatta.serving import services

    folder: Path = home() / "services"
    service = services.get(folder, name)
    was_running = services.stop(service)
    with services.locked(folder, name):
        now = services.read(folder, name)
        if now and now.pid == service.pid:
            services.forget(folder, name)
    what = "is stopped" if was_running else "was not running"
    typer.echo(f"The service {name} {service.version} at {service.url} {what}.")
