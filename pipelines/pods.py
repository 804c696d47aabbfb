"""What the pods of a task get on Kubernetes; the local runner ignores nearly all of it."""

import os
from typing import Any

from kfp import dsl, kubernetes

__all__ = ["KEPT", "PATIENT", "STORE_KEYS", "TRIES_VARIABLE", "place", "settle"]

TRIES_VARIABLE = "REGATTA_TASK_TRIES"
"""The local runner sets it to 1: it would try again as well, and a wrong table stays wrong."""

PATIENT = 4
"""Tries of a task that nothing which a user wrote can fail any more: 15, 30 and 60 s apart."""
USER = 10001
SECONDS = 24 * 3600
"""A pod that is still there after a day hangs. Trials have limits of their own."""
ANNOTATIONS = {
    # To pack nodes more tightly is no reason to lose what a pod has fitted.
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    # A sidecar goes on when the task is done, and the pod with it.
    "sidecar.istio.io/inject": "false",
}
KEPT = dsl.PipelineConfig(
    ttl_seconds_after_finished=7 * SECONDS,
    # A site's own defaults name these, and would win over the first.
    ttl_seconds_after_success=7 * SECONDS,
    ttl_seconds_after_failure=7 * SECONDS,
)
"""How long the pods of a finished run are kept. Report, metrics and logs are in the store."""
STORE_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
)
"""What `regatta.store` reads, and the keys of the Secret that holds it."""
DEFAULTS = "regatta-defaults"
"""ConfigMap with what a site's tasks take as given (manifests/components/pipelines)."""
DEFAULT_KEYS = ("REGATTA_MODELS", "S3_ENDPOINT", "AWS_DEFAULT_REGION")
"""Its keys. None is one of the Secret's: a variable with two sources would be refused."""


def settle(
    task: Any,
    name: str,
    *,
    memory: Any,
    cpu: Any = "250m",
    store: Any = None,
    tries: int = 2,
) -> None:
    """Name a task, and say what its pods get.

    Parameters
    ----------
    task : PipelineTask
        The task.
    name : str
        What people call it.
    memory : str or parameter
        Memory that is asked for, and its limit.
    cpu : str or parameter, default "250m"
        Processors that are asked for. There is no limit: an idle core is used.
    store : str or parameter, optional
        Secret with the keys of the object store, for a task that calls it by itself. It may be
        missing, as where pods have an identity instead.
    tries : int, default 2
        How often the task is started before it has failed: a pod may be evicted, and the store may
        be away. Kubeflow Pipelines' launcher does not wait for a store: `PATIENT` tries last
        105 s. A wrong table stays wrong: what finds that out is tried twice only.
    """
    task.set_display_name(name)
    task.set_memory_request(memory).set_memory_limit(memory).set_cpu_request(cpu)
    tries = int(os.environ.get(TRIES_VARIABLE, tries))
    if tries > 1:
        task.set_retry(tries - 1, backoff_duration="15s", backoff_factor=2.0)
    kubernetes.set_security_context(task, USER, USER, run_as_non_root=True)
    kubernetes.set_timeout(task, SECONDS)
    # Tags stand for one content, and images that were loaded into a node are in no registry.
    kubernetes.set_image_pull_policy(task, "IfNotPresent")
    for annotation, value in ANNOTATIONS.items():
        kubernetes.add_pod_annotation(task, annotation, value)
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "regatta")
    kubernetes.add_pod_label(task, "regatta/stage", name.partition(":")[0])
    if store is not None:
        kubernetes.use_secret_as_env(task, store, {key: key for key in STORE_KEYS}, optional=True)
        given = {key: key for key in DEFAULT_KEYS}
        kubernetes.use_config_map_as_env(task, DEFAULTS, given, optional=True)


def place(task: Any, node_selector: Any, tolerations: Any) -> None:
    """Say which nodes the pods of a task may run on.

    Parameters
    ----------
    task : PipelineTask
        The task. In a loop it must take both parameters itself: the compiler hands a loop only
        what a task in it takes.
    node_selector : parameter
        Labels of the nodes, as a JSON object.
    tolerations : parameter
        Taints that are tolerated, as a JSON list.
    """
    kubernetes.add_node_selector_json(task, node_selector)
    kubernetes.add_toleration_json(task, tolerations)
