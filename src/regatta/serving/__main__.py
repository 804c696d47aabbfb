"""``python -m regatta.serving``: what images and the local deployment start."""

import argparse
import contextlib
import logging
import os
import re
import socket
import sys

from regatta import logs
from regatta.errors import RegattaError, UsageError
from regatta.processes.container import cores

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Serve a bundle; return the exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Command line, without the program's name. Flags are spelt as KServe's own.
    """
    chosen = _parser().parse_args(arguments)
    # Before anything that starts native threads is imported.
    os.environ.setdefault("OMP_NUM_THREADS", str(chosen.cores))
    os.environ.setdefault("KSERVE_LOGLEVEL", "WARNING")
    logs.configure(logging.INFO)
    from regatta.serving.sockets import bind

    try:
        _check_name(chosen.model_name)
        if chosen.listen_fd >= 0:
            listener = socket.socket(fileno=chosen.listen_fd)
        else:
            listener = bind(chosen.host, chosen.http_port)
        grpc_listener = bind(chosen.host, chosen.grpc_port) if chosen.grpc_port >= 0 else None
        # KServe reads the command line of the process when it is imported.
        sys.argv = sys.argv[:1]
        from regatta.learners.natives import preload
        from regatta.serving.app import serve

        preload()
        serve(
            chosen.model_dir,
            chosen.model_name,
            listener,
            version=chosen.model_version,
            threads=max(2, chosen.cores),
            grpc_listener=grpc_listener,
            max_body_bytes=chosen.max_body_bytes,
            when_ready=lambda: _say(chosen.greeting),
        )
    except RegattaError as err:
        if os.environ.get("REGATTA_DEBUG"):
            raise
        sys.stderr.write(f"{err}\n")
        return err.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m regatta.serving", description="Serve a bundle over KServe's protocols."
    )
    add = parser.add_argument
    add("--model_dir", default="/mnt/models", help="folder of the bundle")
    add("--model_name", default="model", help="name of the model in URLs")
    add("--model_version", default="", help="version of the model, for metadata and metrics")
    add("--http_port", type=int, default=8080, help="port; 0 for a free one")
    add("--grpc_port", type=int, default=-1, help="port of gRPC; 0 for a free one, -1 for none")
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
    add("--cores", type=int, default=cores(), help="cores to use")
    add("--max_body_bytes", type=int, default=32 * 2**20, help="longest request body")
    add("--greeting", default="", help="what to write when connections are accepted")
    add("--listen_fd", type=int, default=-1, help="socket that the parent process has bound")
    return parser


def _check_name(name: str) -> None:
    """Refuse a name that no URL of a model could hold; KServe gives that of the service."""
    if not re.fullmatch(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,251}[A-Za-z0-9])?", name):
        raise UsageError(
            f"--model_name is {name[:300]!r}",
            expected="letters, digits, hyphens, dots and underscores",
            fix="name the model as its InferenceService is named",
        )


def _say(text: str) -> None:
    """Write to a terminal that may be gone; the server is there for others as well."""
    if text:
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
