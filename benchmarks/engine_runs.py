"""One run of one engine on one table: fit, predict, score, and a line in the results.

Fit and predict are two processes, so that what is scored is what was saved. An engine is Regatta's
own command line or a script in ``peers/``, which may run under an interpreter of its own.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from measured_tables import MeasuredTable, Parts, split
from scores import score

__all__ = ["ENGINES", "Run", "add_options", "check_engines", "read_pythons", "results_of"]

PEERS = Path(__file__).with_name("peers")
# Script in peers/ and its options; Regatta is called by its command line.
ENGINES: dict[str, tuple[str, ...]] = {
    "histgb": ("histgb_peer.py",),
    "regatta": (),
    "autogluon-medium": ("autogluon_peer.py", "--preset", "medium_quality"),
    "autogluon-best": ("autogluon_peer.py", "--preset", "best_quality"),
    "flaml": ("flaml_peer.py",),
    "h2o": ("h2o_peer.py",),
    "mljar": ("mljar_peer.py",),
    "autosklearn": ("autosklearn_peer.py",),
}
AT_HOME = ("histgb", "regatta")
GRACE, GRACE_SECONDS = 2.0, 60.0
PREDICT_SECONDS = 600.0
LOOK_SECONDS = 0.5
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
LAST_LINES, REASON_LENGTH = 3, 300


class EngineFailedError(Exception):
    """A process of an engine did not do what it should; the message says why."""


@dataclass(frozen=True)
class Run:
    """What is measured once.

    Attributes
    ----------
    table, engine : str
        Names.
    budget : float
        Wall-clock that the engine is given to fit, in seconds.
    seed : int
        Seed of the split and of the engine.
    cores : int
        Cores that the engine may use.
    settings : tuple of str
        Settings of Regatta, each ``key=value``.
    """

    table: str
    engine: str
    budget: float
    seed: int
    cores: int
    settings: tuple[str, ...] = ()

    def made(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record of the results is of this run."""
        own = asdict(self) | {"settings": list(self.settings)}
        return all(record.get(key) == value for key, value in own.items())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that scripts share which run engines."""
    parser.add_argument(
        "--tables", type=Path, help="folder with a datasets.json (default: some of scikit-learn)"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these tables")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("build/quality.jsonl"),
        help="one line a run; a run that is there is not repeated (default: %(default)s)",
    )


def read_pythons(values: Iterable[str]) -> dict[str, str]:
    """Return interpreters by engine from texts like ``flaml=/path/to/python``."""
    pairs = [value.partition("=") for value in values]
    if wrong := [name for name, _, path in pairs if not path]:
        raise SystemExit(f"--python {wrong[0]}: write it as engine=/path/to/python")
    return {name: path for name, _, path in pairs}


def check_engines(engines: Iterable[str], pythons: Mapping[str, str]) -> None:
    """Stop where an engine has no interpreter, before hours of measuring."""
    for engine in engines:
        if engine not in AT_HOME and not _python(engine, pythons):
            family = engine.partition("-")[0]
            raise SystemExit(f"engine {engine} wants --python {family}=/path/to/python")


def results_of(
    runs: Iterable[Run], tables: Iterable[MeasuredTable], file: Path, pythons: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Measure what is not in the results yet, and return the records of all runs.

    Parameters
    ----------
    runs : iterable of Run
        In the order in which they are measured.
    tables : iterable of MeasuredTable
        All tables of the runs.
    file : Path
        The results, one JSON object a line; each is appended as soon as it is known.
    pythons : mapping of str to str
        Interpreters by engine.
    """
    known = {table.name: table for table in tables}
    records = list(_read(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    found = []
    for run in runs:
        record = next((each for each in records if run.made(each)), None)
        if record is None:
            record = measure(run, known[run.table], pythons)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
            said = record.get("failed") or f"{record['score']:.5g}"
            what = f"{run.table} {run.engine} {' '.join(run.settings)}".strip()
            print(f"{what}, {run.budget:g} s, seed {run.seed}: {said}", file=sys.stderr)
        found.append(record)
    return found


def _read(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file; a last line that was cut off is none."""
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)


def measure(run: Run, table: MeasuredTable, pythons: Mapping[str, str]) -> dict[str, Any]:
    """Fit, predict and score once; a failure is a record, too."""
    record: dict[str, Any] = asdict(run) | {"task": table.task, "load": os.getloadavg()[0]}
    # Short names: some engines keep sockets below, whose paths may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="q") as name:
        folder = Path(name)
        parts = split(table, run.seed, folder)
        record |= {"n_rows": parts.n_rows, "n_columns": parts.n_columns}
        try:
            record |= _fit_and_predict(run, table, parts, folder, pythons)
        except EngineFailedError as failure:
            record["failed"] = str(failure)
    return record


def _fit_and_predict(
    run: Run, table: MeasuredTable, parts: Parts, folder: Path, pythons: Mapping[str, str]
) -> dict[str, Any]:
    """Return scores and times."""
    if run.engine == "regatta":
        fit, predict = _regatta(run, table, parts, folder)
    else:
        fit, predict = _peer(run, table, parts, folder, pythons)
    fit_seconds = _process(fit, folder, GRACE * run.budget + GRACE_SECONDS, run.cores)
    size = sum(path.stat().st_size for path in folder.glob("model/**/*") if path.is_file())
    predict_seconds = _process(predict, folder, PREDICT_SECONDS, run.cores)
    predictions = folder / "predictions.csv"
    if not predictions.is_file():
        raise EngineFailedError("predict wrote no file")
    try:
        scores = score(table.task, parts.truth, pd.read_csv(predictions), parts.classes)
    except (KeyError, ValueError) as wrong:
        raise EngineFailedError(f"predictions: {wrong}") from wrong
    return scores | {
        "fit_seconds": round(fit_seconds, 2),
        "predict_seconds": round(predict_seconds, 2),
        "model_bytes": size,
        "version": _version(folder / "model"),
    }


def _regatta(
    run: Run, table: MeasuredTable, parts: Parts, folder: Path
) -> tuple[list[str], list[str]]:
    """Return the two command lines of Regatta."""
    command = [sys.executable, "-m", "regatta.cli"]
    fit = [*command, "run", str(parts.train), "--target", table.target, "--task", table.task]
    fit += ["--budget", f"{run.budget:g}s", "--cores", f"{run.cores}", "--seed", f"{run.seed}"]
    fit += ["--out", str(folder / "model"), "--no-deploy"]
    for setting in run.settings:
        fit += ["--set", setting]
    bundle, out = folder / "model" / "bundle", folder / "predictions.csv"
    return fit, [*command, "predict", str(bundle), str(parts.test), "--out", str(out)]


def _peer(
    run: Run, table: MeasuredTable, parts: Parts, folder: Path, pythons: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return the two command lines of a script in peers/."""
    script, *options = ENGINES[run.engine]
    command = [_python(run.engine, pythons) or sys.executable, str(PEERS / script)]
    shared = ["--model", str(folder / "model"), "--task", table.task, "--cores", f"{run.cores}"]
    fit = [*command, "fit", *shared, "--data", str(parts.train), "--target", table.target]
    fit += ["--budget", f"{run.budget:g}", "--seed", f"{run.seed}", *options]
    out = str(folder / "predictions.csv")
    return fit, [*command, "predict", *shared, "--data", str(parts.test), "--out", out]


def _python(engine: str, pythons: Mapping[str, str]) -> str | None:
    """Return the interpreter of an engine, ``autogluon`` standing for all its presets."""
    return pythons.get(engine) or pythons.get(engine.partition("-")[0])


def _version(model: Path) -> str:
    """Return what an engine said of itself."""
    for name, key in (("about.json", "version"), ("run.json", "regatta_version")):
        if (model / name).is_file():
            return str(json.loads((model / name).read_text(encoding="utf-8"))[key])
    return ""


def _process(command: list[str], folder: Path, limit: float, cores: int) -> float:
    """Run a process; return its seconds.

    Raises
    ------
    EngineFailedError
        It took longer than `limit` seconds, or ended with an error.
    """
    environment = os.environ | dict.fromkeys(THREADS, f"{cores}")
    environment |= {"PYTHONHASHSEED": "0", "REGATTA_HOME": str(folder / "home")}
    log = folder / "log"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=environment
        )
        code = _wait(process, limit)
        took = time.perf_counter() - began
    if code is None:
        raise EngineFailedError(f"killed after {limit:.0f} s")
    if code:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
        said = " / ".join([line for line in lines if line][-LAST_LINES:])
        raise EngineFailedError(f"exit code {code}: {said[-REASON_LENGTH:]}")
    return took


def _wait(process: "subprocess.Popen[bytes]", limit: float) -> int | None:
    """Return the exit code, None after the limit; what the process has started ends with it."""
    family = {process.pid: psutil.Process(process.pid)}
    deadline = time.perf_counter() + limit
    code = None
    try:
        while code is None and time.perf_counter() < deadline:
            # Children are noted while they are there: some outlive their parent.
            with contextlib.suppress(psutil.Error):
                children = family[process.pid].children(recursive=True)
                family |= {child.pid: child for child in children}
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(LOOK_SECONDS)
    finally:
        for member in family.values():
            with contextlib.suppress(psutil.Error):
                member.kill()
        process.wait()
    return code
