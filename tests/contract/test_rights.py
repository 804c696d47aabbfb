"""A deployment may do what it does, and nothing else."""

from pathlib import Path

import yaml

from regatta.deployment import REQUESTS

ROLE = Path(__file__).parents[2] / "manifests/base/deploy-role.yaml"


def test_the_role_allows_exactly_what_is_asked() -> None:
    role = next(yaml.safe_load_all(ROLE.read_text(encoding="utf-8")))
    assert role["kind"] == "Role"
    allowed = {
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {(request.verb, request.group, request.resource) for request in REQUESTS.values()}
    assert allowed == asked
