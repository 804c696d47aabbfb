"""The main job from end to end: train on a table, call the service, compare with batch prediction.

``make run`` calls it. Without ``--data`` the table is the Cleveland heart disease data, a mixture
of numbers and categories that ships in scikit-lego.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

BUILD = Path("build/demo")
ROWS = 3
TOLERANCE = 1e-6


def main() -> None:
    """Run the demonstration."""
    options = _options()
    # A registry of its own: a demonstration leaves nothing in the home folder.
    os.environ.setdefault("REGATTA_HOME", str((BUILD / "home").absolute()))
    BUILD.mkdir(parents=True, exist_ok=True)
    table, target = (options.data, options.target) if options.data else _hearts()
    out = BUILD / "run"
    wanted = ["--target", target, "--budget", options.budget, "--out", str(out), "--overwrite"]
    regatta("run", table, *wanted)
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    service = record["service"]
    try:
        difference = _compare(service, out, target)
    finally:
        regatta("stop", service["model"])
    if difference > TOLERANCE:
        sys.exit(f"the service and batch prediction differ by {difference:g}")
    print(f"\nThe service answered as the bundle does: largest difference {difference:.1e}.")
    print(f"To serve it again: {Path(sys.executable).parent / 'regatta'} serve {out}")


def regatta(*arguments: str) -> None:
    """Run a command as a user would; leave with its exit code if it does not end well."""
    print("\n$ regatta " + " ".join(arguments), flush=True)
    done = subprocess.run([sys.executable, "-m", "regatta.cli", *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def _options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train, serve, call, compare.")
    parser.add_argument("--data", default="", help="a table of your own")
    parser.add_argument("--target", default="", help="its column to predict")
    parser.add_argument("--budget", default="60s")
    options = parser.parse_args()
    if options.data and not options.target:
        parser.error("--data needs --target (make run DATA=table.csv TARGET=column)")
    return options


def _hearts() -> tuple[str, str]:
    """Write the heart disease table; return its path and its target."""
    from sklego.datasets import load_hearts

    path = BUILD / "hearts.csv"
    load_hearts(as_frame=True).to_csv(path, index=False)
    return str(path), "target"


def _compare(service: dict[str, Any], out: Path, target: str) -> float:
    """Predict some rows by the service, over both protocols, and in a batch.

    Returns
    -------
    float
        The largest difference between a served number and the batch's.
    """
    samples = json.loads((out / "evaluation" / "samples.json").read_text(encoding="utf-8"))
    rows = samples["rows"][:ROWS]
    table, answers = BUILD / "rows.jsonl", BUILD / "predictions.csv"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    # Where a model of an earlier run is better, the service goes on with that one.
    served = f"{service['model']}@{service['version']}"
    regatta("predict", served, str(table), "--out", str(answers))
    batch = pd.read_csv(answers, dtype={"prediction": str})
    print(batch.to_string(index=False))

    base, name = service["url"], service["model"]
    with httpx.Client(base_url=base, timeout=30) as client:
        served = [_v1(client, name, rows), _v2(client, name, rows)]
    columns = [name for name in batch if name.startswith("proba_")] or ["prediction"]
    wanted = batch[columns].astype(float)
    return max(float((wanted - frame[columns]).abs().to_numpy().max()) for frame in served)


def _v1(client: httpx.Client, name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Predict over protocol V1: rows in, rows out."""
    path = f"/v1/models/{name}:predict"
    answer = _post(client, path, {"instances": rows})
    return pd.DataFrame(
        {"prediction": row["prediction"]}
        | {f"proba_{label}": value for label, value in row.get("probabilities", {}).items()}
        for row in answer["predictions"]
    )


def _v2(client: httpx.Client, name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Predict over protocol V2: a tensor a column in, a tensor a column out."""
    described = client.get(f"/v2/models/{name}").raise_for_status().json()
    inputs = [
        {
            "name": column["name"],
            "datatype": column["datatype"],
            "shape": [len(rows)],
            "data": [row[column["name"]] for row in rows],
        }
        for column in described["inputs"]
    ]
    answer = _post(client, f"/v2/models/{name}/infer", {"inputs": inputs})
    return pd.DataFrame({output["name"]: output["data"] for output in answer["outputs"]})


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request; show it as a curl command, and the answer."""
    text = json.dumps(body)
    shown = text if len(text) < 400 else text[:400] + "..."
    print(f"\n$ curl {client.base_url}{path} -H 'content-type: application/json' -d '{shown}'")
    answer: dict[str, Any] = client.post(path, json=body).raise_for_status().json()
    text = json.dumps(answer)
    print(text if len(text) < 800 else text[:800] + "...")
    return answer


if __name__ == "__main__":
    main()
