"""Images that are really built, and a way to run them as a cluster would.

``REGATTA_IMAGES_BASE`` names the image to build on; without it, or without a builder, these tests
are skipped. Further variables, all optional: ``REGATTA_IMAGES_TAG`` takes images of that tag as
they are; ``REGATTA_IMAGES_WHEELS`` is a folder of wheels to install from;
``REGATTA_IMAGES_BUILD_FLAGS`` and ``REGATTA_IMAGES_RUN_FLAGS`` go to the builder and to each
container.
"""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOOLS = ("docker", "podman")
HARDENED = ("--read-only", "--user", "10001", "--cap-drop=all", "--network=none")


@dataclass(frozen=True)
class Containers:
    """Runs images without any right that they do not need."""

    tool: str
    tag: str

    def command(self, image: str, *arguments: str, flags: tuple[str, ...] = ()) -> list[str]:
        """Return the command line of a container."""
        given = shlex.split(os.environ.get("REGATTA_IMAGES_RUN_FLAGS", ""))
        name = f"localhost/regatta-python-{image}:{self.tag}"
        limits = ("--security-opt=no-new-privileges", *HARDENED)
        return [self.tool, "run", "--rm", *limits, *given, *flags, name, *arguments]

    def run(self, image: str, *arguments: str, flags: tuple[str, ...] = ()) -> str:
        """Run a container to its end; return what it said."""
        command = self.command(image, *arguments, flags=flags)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def tool() -> str:
    """Return a tool that builds and runs, or skip."""
    for name in TOOLS:
        if (
            shutil.which(name)
            and not subprocess.run([name, "info"], capture_output=True, check=False).returncode
        ):
            return name
    pytest.skip("neither docker (with its daemon) nor podman works here")


@pytest.fixture(scope="session")
def containers() -> Containers:
    base = os.environ.get("REGATTA_IMAGES_BASE", "")
    tag = os.environ.get("REGATTA_IMAGES_TAG", "")
    if not (base or tag):
        pytest.skip("REGATTA_IMAGES_BASE does not say what to build the images on")
    chosen = tool()
    if not tag:
        tag = "0.0.0-test"
        command = [str(ROOT / "images" / "build.sh"), "--tool", chosen, "--base", base]
        if wheels := os.environ.get("REGATTA_IMAGES_WHEELS"):
            command += ["--wheels", wheels]
        command += ["--", *shlex.split(os.environ.get("REGATTA_IMAGES_BUILD_FLAGS", ""))]
        places = {"REGATTA_REGISTRY": "localhost", "REGATTA_TAG": tag, "PYTHON": sys.executable}
        subprocess.run(command, env={**os.environ, **places}, check=True, timeout=3600)
    return Containers(chosen, tag)
