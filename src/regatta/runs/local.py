"""Execute a pipeline on the local runner of Kubeflow Pipelines: ``python -m regatta.runs.local``.

The command line starts this module as a process of its own, so that it imports kfp while the
command line draws, and so that the whole tree of processes can be ended together.
"""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regatta.processes import client
from regatta.processes.client import LANES, ONE_THREAD, TASKS, WARM_VARIABLE
from regatta.processes.trees import end_own_tree
from regatta.runs.workflows import activate

__all__ = ["execute", "main"]

# What the tasks import; lanes import what trials do.
TASK_IMPORTS = (
    "kfp.dsl.executor_main",
    "regatta.learners.natives:preload",
    "pandas",
    "pyarrow.parquet",
    "regatta.stages.fingerprint",
    "regatta.stages.prepare",
    # The tasks behind the race.
    "--",
    "regatta.bundle",
    "regatta.features.encoders",
    "scipy.optimize",
    "regatta.stages.evaluate",
    "regatta.evaluation.report",
    "sklearn.tree",
)
LANE_IMPORTS = ("regatta.search.race", "regatta.refit.again", "regatta.search.launching:import_all")


def execute(
    arguments: dict[str, Any],
    root: Path,
    scratch: Path,
    pipeline: Callable[..., Any] | None = None,
) -> None:
    """Run a pipeline by ``kfp.local``.

    Parameters
    ----------
    arguments : dict
        Its arguments.
    root : Path
        Folder for the artifacts.
    scratch : Path
        Folder for what may be lost.
    pipeline : callable, optional
        The pipeline; ``None``: the function ``train`` of ``pipelines/train``.

    Raises
    ------
    RuntimeError
        A task failed; what it said is in the events and in the log.
    """
    activate()
    warm = [_warm(scratch, TASKS, TASK_IMPORTS, {"_KFP_RUNTIME": "true"})]
    from kfp import local

    if pipeline is None:
        from pipelines.pods import TRIES_VARIABLE

        os.environ[TRIES_VARIABLE] = "1"
        from pipelines.train.pipeline import train

        pipeline = train
    # While the first tasks are at work, which need one core.
    warm.append(_warm(scratch, LANES, LANE_IMPORTS, ONE_THREAD))
    os.environ[WARM_VARIABLE] = str(scratch)
    _widen(int(arguments.get("search_lanes", 1)))
    _stand_in_for_python(scratch)
    # Only now: the tasks need none of the compiler, but this process did.
    os.environ["_KFP_RUNTIME"] = "true"
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        workspace_root=str(scratch / "workspace"),
        raise_on_error=True,
    )
    try:
        pipeline(**arguments)
    finally:
        for process in warm:
            # All that it has forked is over; it may still be importing.
            process.kill()
            process.communicate()


def _warm(
    scratch: Path, name: str, imports: tuple[str, ...], env: dict[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a warm interpreter; where it cannot begin, tasks are started in the ordinary way."""
    command = [sys.executable, "-m", "regatta.processes.server", str(scratch / name), *imports]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | env)


def _widen(lanes: int) -> None:
    """Let all lanes run side by side; the runner would take two at a time.

    It has no setting for that. Without the class (another version of kfp) lanes take turns.
    """
    from kfp.local.orchestrator import enhanced_dag_orchestrator as orchestrator

    narrow = getattr(orchestrator, "ParallelExecutor", None)
    if narrow is None or lanes <= 2:
        return

    class Wide(narrow):  # type: ignore[misc, valid-type]
        def __init__(self, max_workers: int | None = None) -> None:
            super().__init__(max_workers)
            self.conservative_max = self.max_workers = lanes

    orchestrator.ParallelExecutor = Wide


def _stand_in_for_python(scratch: Path) -> None:
    """Make ``python3`` a command that asks the warm interpreter, or starts this very one.

    The runner replaces the text ``python3`` by ``sys.executable`` in every argument, unquoted: an
    interpreter in a folder with a blank would not start, and a table under ``lib/python3.11``
    would not be found. With this stand-in the replacement changes nothing.
    """
    folder = scratch / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "python3"
    # Isolated and without site-packages it is there in a fiftieth of a second.
    words = [sys.executable, "-I", "-S", client.__file__, str(scratch)]
    command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    sys.executable = "python3"


def _end_with_parent(descriptor: int) -> None:
    """End all processes of the run when the command line is gone, killed or not.

    The command line holds the other end of the pipe; it closes when that process ends.
    """

    def watch() -> None:
        os.read(descriptor, 1)
        end_own_tree()

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Run the request in the file named by the first argument."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if len(sys.argv) > 2:
        _end_with_parent(int(sys.argv[2]))
    execute(request["arguments"], Path(request["root"]), Path(request["scratch"]))


if __name__ == "__main__":
    main()
    # All is written; to take the libraries down in order would only cost time.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
