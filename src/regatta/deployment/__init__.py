"""Services on a cluster: KServe runs a registered version, proven before it gets traffic."""

from regatta.deployment.kserve import deploy_champion, follow
from regatta.deployment.kube import REQUESTS, Cluster
from regatta.deployment.release import Deployed, candidate_name, release
from regatta.deployment.service import Wanted
from regatta.deployment.waiting import Proof

__all__ = [
    "REQUESTS",
    "Cluster",
    "Deployed",
    "Proof",
    "Wanted",
    "candidate_name",
    "deploy_champion",
    "follow",
    "release",
]
