"""A deployment may do what it does, and change nothing else."""

from pathlib import Path

import yaml

from regatta.deployment import REQUESTS

ROLE = Path(__file__).parents[2] / "manifests/base/deploy-role.yaml"


def test_the_role_allows_what_is_asked_and_no_other_change() -> None:
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
    assert asked - allowed == set()
    # Whoever may read one kind may read it with kubectl as well.
    more = {right for right in allowed - asked if right[0] not in ("get", "list", "watch")}
    assert more == set()
    assert {right[1:] for right in allowed} == {right[1:] for right in asked}
