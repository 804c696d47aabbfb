"""Services: a registered version, proven before it gets traffic, on KServe or on this machine."""

from regatta.deployment.kserve import deploy_champion, follow
from regatta.deployment.kube import REQUESTS, Cluster
from regatta.deployment.local import follow_here, running_here, serve_here
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
    "follow_here",
    "release",
    "running_here",
    "serve_here",
]
