"""What this machine has and lacks for local runs, for images and for a cluster."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regatta.search import machine

__all__ = ["Check", "checks"]

GIB = 2**30
PYTHONS = (3, 11), (3, 14)
"""The first version that will do, and the first after it that will not: kserve refuses it."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    area : {"local", "images", "cluster"}
        What it is needed for.
    name : str
        What was looked at.
    ok : bool
        Whether it will do.
    found : str
        What was found.
    fix : str
        What to do where it will not do.
    """

    area: str
    name: str
    ok: bool
    found: str
    fix: str = ""


def checks() -> Iterator[Check]:
    """Look at this machine, area by area; nothing is changed.

    Yields
    ------
    Check
        What was found. Only the cluster that the kubeconfig names is asked anything.
    """
    yield _python()
    yield from _packages()
    yield from _resources()
    yield _builder()
    yield from _cluster()


def _python() -> Check:
    """Look at the interpreter."""
    return Check(
        "local",
        "Python",
        PYTHONS[0] <= sys.version_info < PYTHONS[1],
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "install Python 3.11, 3.12 or 3.13",
    )


def _packages() -> Iterator[Check]:
    """Look at the packages of each extra that local runs need."""
    wanted: dict[str, list[str]] = {}
    for text in importlib.metadata.requires("regatta") or ():
        package = re.match(r"[\w.-]+", text)
        marker = re.search(r"extra == ['\"]([\w-]+)['\"]", text)
        if package and package.group() != "regatta":
            wanted.setdefault(marker.group(1) if marker else "base", []).append(package.group())
    for extra in ("base", "data", "train", "serve", "ops", "pipelines"):
        found, missing = [], []
        for name in wanted.get(extra, []):
            try:
                found.append(f"{name} {importlib.metadata.version(name)}")
            except importlib.metadata.PackageNotFoundError:
                missing.append(name)
        text = "missing: " + ", ".join(missing) if missing else ", ".join(found)
        fix = "in the checkout: pip install " + ("." if extra == "base" else f"'.[{extra}]'")
        yield Check("local", f"packages of {extra}", not missing, text, fix)


def _resources() -> Iterator[Check]:
    """Look at cores, memory and disk."""
    yield Check("local", "cores", True, str(machine.cores()))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Check(
        "local",
        "memory",
        memory >= 2 * GIB,
        f"{memory / GIB:.1f} GiB",
        "use a machine with 2 GiB or more",
    )
    for name, path, least in (
        ("disk here", Path.cwd(), 2 * GIB),
        ("temporary files", Path(tempfile.gettempdir()), GIB // 2),
        ("shared memory", Path("/dev/shm"), 0),
    ):
        if path.is_dir():
            free = shutil.disk_usage(path).free
            fix = f"free {least / GIB:.1f} GiB on the file system of {path}"
            yield Check("local", name, free >= least, f"{free / GIB:.1f} GiB free in {path}", fix)


def _builder() -> Check:
    """Look for a program that builds images."""
    found = [name for name in ("docker", "podman", "buildah") if shutil.which(name)]
    return Check(
        "images",
        "builder",
        bool(found),
        ", ".join(found) or "none of docker, podman, buildah",
        "install one of them: https://docs.docker.com/engine/install",
    )


def _cluster() -> Iterator[Check]:
    """Look for kubectl, a cluster behind it, and what Regatta needs there."""
    if not shutil.which("kubectl"):
        fix = "install it: https://kubernetes.io/docs/tasks/tools"
        yield Check("cluster", "kubectl", False, "not on the path", fix)
        return
    version = _kubectl("version", "--client")
    yield Check("cluster", "kubectl", True, version.partition("\n")[0])
    context = _kubectl("config", "current-context").strip()
    answer = _kubectl("get", "--raw", "/version") if context else ""
    yield Check(
        "cluster",
        "API server",
        "gitVersion" in answer,
        f"{context} answers"
        if "gitVersion" in answer
        else f"no answer ({context or 'no context'})",
        "point KUBECONFIG at a cluster that runs, or make one: kind create cluster",
    )
    if "gitVersion" not in answer:
        return
    definitions = _kubectl("get", "crd", "-o", "name")
    for name, definition, fix in (
        ("KServe", "inferenceservices.serving.kserve.io", "install KServe 0.20 or newer"),
        ("Kubeflow Pipelines", "workflows.argoproj.io", "install Kubeflow Pipelines 2.17"),
    ):
        there = definition in definitions
        yield Check("cluster", name, there, definition if there else f"no {definition}", fix)


def _kubectl(*arguments: str) -> str:
    """Return what kubectl says; nothing if it fails or hangs."""
    command = ["kubectl", "--request-timeout=5s", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
