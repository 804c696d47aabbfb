"""What a run on a cluster costs beside its budget: ``cluster_overhead.py --host URL``.

A toy table is put into the object store (``AWS_*``), and `regatta submit` trains on it. Overhead is
the wall-clock of the run, as Argo has it, minus its budget; the time of each stage is from the
start of its first pod to the end of its last.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from regatta.cluster.connection import Connection
from regatta.cluster.pipelines import Pipelines
from regatta.cluster.workflow import Workflow
from regatta.store import Location, connect
from regatta.testing.tables import binary_table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Overhead of a run on a cluster, by stage.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--namespace", default="kubeflow")
    parser.add_argument("--source", default="s3://tables/overhead.csv")
    parser.add_argument("--registry", default="s3://models/overhead")
    parser.add_argument("--deploy", default="none", choices=["none", "kserve"])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--cpu", default="250m")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder, "table.csv"), Path(folder, "run")
        binary_table(2_000).to_csv(table, index=False)
        connect().upload_file(table, Location.parse(options.source))
        record = submit(options, out)
    with Pipelines(Connection.find(options.host, namespace=options.namespace)) as pipelines:
        workflow = pipelines.workflow(record["run_id"])
    show(workflow, record["seconds"], options)


def submit(options: argparse.Namespace, out: Path) -> dict:
    """Train once, and return the record of the run."""
    command = [sys.executable, "-m", "regatta.cli", "submit", "train", "--out", str(out)]
    command += ["--host", options.host, "--namespace", options.namespace]
    command += ["--source", options.source, "--target", "outcome", "--name", "overhead"]
    command += ["--workers", str(options.workers), "--budget", f"{options.budget}s"]
    command += ["--registry", options.registry, "--deploy", options.deploy]
    command += ["--argument", f"pods_cpu={options.cpu}", "--argument", "pods_memory=1Gi"]
    # The same table was measured before; what the cache answers costs nothing.
    command += ["--argument", "run_cached=false"]
    subprocess.run(command, check=True)
    return json.loads((out / "run.json").read_text())


def show(workflow: Workflow, seconds: float, options: argparse.Namespace) -> None:
    """Print the overhead, and when each stage was at work."""
    began = min(step.started_at for step in workflow.steps if step.started_at)
    print(f"\n{'stage':12} {'pods':>5} {'from':>7} {'to':>7}")
    for task in dict.fromkeys(step.task for step in workflow.steps):
        steps = [step for step in workflow.steps if step.task == task]
        first = min(step.started_at for step in steps) - began
        last = max(step.finished_at for step in steps) - began
        print(f"{task or 'the graph':12} {len(steps):5d} {first:6.0f}s {last:6.0f}s")
    print(f"\n{len(workflow.steps)} pods, {options.workers} lanes")
    print(f"run      {seconds:.0f} s\nbudget   {options.budget} s")
    print(f"overhead {seconds - options.budget:.0f} s")


if __name__ == "__main__":
    main()
