"""Ports that are taken before a server starts, so that nobody else gets them meanwhile."""

import errno
import socket

from regatta.errors import UsageError

__all__ = ["bind"]


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, but does not accept connections yet.

    Parameters
    ----------
    host : str
        Address to listen on: ``127.0.0.1`` for this machine only, ``0.0.0.0`` for all.
    port : int
        Port; 0 for a free one.

    Raises
    ------
    UsageError
        The port is taken or not allowed, or the address is not one of this machine.
    """
    try:
        return _bound(host, port, reuse=False)
    except (OSError, OverflowError):
        # Connections that were closed a minute ago still hold the port; what listens on it holds
        # it against this as well. Not at once: two sockets may share a port this way until one
        # of them listens.
        pass
    try:
        return _bound(host, port, reuse=True)
    except (OSError, OverflowError) as err:
        taken = isinstance(err, OSError) and err.errno == errno.EADDRINUSE
        raise UsageError(
            f"port {port} of {host} " + ("is taken" if taken else f"is refused ({err})"),
            expected="a free port of this machine",
            fix="choose another port, or stop what uses it",
        ) from err


def _bound(host: str, port: int, *, reuse: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        listener.bind((host, port))
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
