"""``conclude``: say why a run failed, in one record that a program can read.

The last task of a run, whatever came of it. It fails never: a run that went well must not end
badly because nobody could say how.
"""

import json
import logging
import os
import time
from typing import Any

from regatta.artifacts import write_json, writing
from regatta.cluster.kube import Kubernetes
from regatta.cluster.reasons import MARK, Reason
from regatta.cluster.workflow import Workflow
from regatta.errors import RegattaError
from regatta.stages.task import stage

__all__ = ["conclude", "run"]

logger = logging.getLogger(__name__)

# Argo needs a moment to write the failure of the last pod into the workflow.
PATIENCE_SECONDS = 8.0
OUTPUTS = {
    "report": "evaluate",
    "evaluation": "evaluate",
    "leaderboard": "ensemble",
    "bundle": "ensemble",
}


def run(status: dict[str, Any], conclusion: str) -> dict[str, Any]:
    """Write what came of the run.

    Parameters
    ----------
    status : dict
        Fields of ``PipelineTaskFinalStatus``.
    conclusion : str
        Folder of the conclusion artifact to write.

    Returns
    -------
    dict
        ``state``, and ``code`` and ``task`` of the reason where it failed.
    """
    with stage("conclude") as numbers:
        kubernetes = Kubernetes.connect() if "KUBERNETES_SERVICE_HOST" in os.environ else None
        found = conclude(status, kubernetes)
        with writing(conclusion, "conclusion", state=found["state"]) as folder:
            write_json(folder / "conclusion.json", found)
        reason = found["reason"] or {}
        numbers.update(state=found["state"])
        if reason:
            numbers.update(code=reason["code"], task=reason["task"])
        # The log can be read through the API of Kubeflow Pipelines, an artifact cannot.
        logger.info("%s%s", MARK, json.dumps(found))
    return numbers


def conclude(
    status: dict[str, Any], kubernetes: Kubernetes | None, patience: float = PATIENCE_SECONDS
) -> dict[str, Any]:
    """Return what came of a run.

    Parameters
    ----------
    status : dict
        ``state`` and ``pipeline_job_resource_name`` of the run.
    kubernetes : Kubernetes, optional
        Where to look; ``None`` outside a cluster.
    patience : float, default 8
        Seconds to wait for a reason to show.

    Returns
    -------
    dict
        ``state`` (``succeeded`` or ``failed``), ``reason`` (see `Reason`, or None), ``artifacts``
        (address by name), ``unknown`` (why there is no reason though the run failed).
    """
    state = str(status.get("state") or "")
    failed = state.upper() not in ("COMPLETE", "SUCCEEDED")
    found: dict[str, Any] = {
        "state": "failed" if failed else "succeeded",
        "reason": None,
        "artifacts": {},
        "unknown": "",
    }
    name = str(status.get("pipeline_job_resource_name") or "")
    if kubernetes is None:
        found["unknown"] = "the run was not on a cluster" if failed else ""
        return found
    until = time.monotonic() + patience
    try:
        while True:
            workflow = kubernetes.workflow(kubernetes.namespace, name)
            found["artifacts"] = addresses(workflow)
            reason: Reason | None = kubernetes.explain(workflow) if failed else None
            if reason or not failed or time.monotonic() > until:
                break
            time.sleep(1.0)
    except RegattaError as err:
        found["unknown"] = str(err)
        return found
    found["reason"] = reason.to_dict() if reason else None
    if failed and reason is None:
        found["unknown"] = "no pod of the run failed"
    return found


def addresses(workflow: Workflow) -> dict[str, str]:
    """Return where the artifacts lie that a user asks for first."""
    found = {name: workflow.artifact(task, name) for name, task in OUTPUTS.items()}
    return {name: uri for name, uri in found.items() if uri}
