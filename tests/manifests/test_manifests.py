"""Every overlay as the cluster would get it: valid, and with no more rights than it needs."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from regatta.deployment.service import Wanted, check_ours
from regatta.serving import __main__ as server
from regatta.settings import DeploySettings
from tests.manifests.conftest import MANIFESTS, OVERLAYS, ROOT, Object, documents, strict

KSERVE = "serving.kserve.io"


def read(path: Path) -> list[Object]:
    return documents(path.read_text(encoding="utf-8"))


def example() -> Object:
    return read(MANIFESTS / "examples" / "inferenceservice.yaml")[0]


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [found for found in objects if found["kind"] in kinds]


def containers(objects: list[Object]) -> Iterator[Object]:
    """Yield every container, wherever it is in an object."""

    def walk(value: Any) -> Iterator[Object]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("containers", "initContainers"):
                    yield from inner
                else:
                    yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    for found in objects:
        yield from walk(found)


def environment(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


class TestFiles:
    @pytest.mark.parametrize(
        "path", sorted(MANIFESTS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(MANIFESTS))
    )
    def test_is_yaml_and_is_used(self, path: Path) -> None:
        assert read(path)
        if path.name != "kustomization.yaml" and "examples" not in path.parts:
            text = (path.parent / "kustomization.yaml").read_text(encoding="utf-8")
            assert re.search(rf"- (path: )?{re.escape(path.name)}$", text, re.MULTILINE)

    def test_all_facts_of_a_site_have_a_place(self) -> None:
        site = (MANIFESTS / "components" / "site" / "kustomization.yaml").read_text()
        for overlay in OVERLAYS:
            folder = MANIFESTS / "overlays" / overlay
            pipelines = MANIFESTS / "components" / "pipelines" / "kustomization.yaml"
            text = site + pipelines.read_text() + (folder / "kustomization.yaml").read_text()
            for name in environment(folder / "site.env"):
                assert f"data.{name}" in text

    @pytest.mark.parametrize("overlay", OVERLAYS)
    def test_image_is_the_one_that_is_built(self, overlay: str) -> None:
        built = environment(ROOT / "images" / "images.env")
        image = environment(MANIFESTS / "overlays" / overlay / "site.env")["SERVE_IMAGE"]
        digest = built.get("REGATTA_DIGEST_serve")
        end = f"@{digest}" if digest else f":{built['REGATTA_TAG']}"
        assert image.endswith(f"/regatta-python-serve{end}")
        if overlay == "kind":
            assert image.startswith(built["REGATTA_REGISTRY"] + "/")
        digest = built.get("REGATTA_DIGEST_ops")
        end = f"@{digest}" if digest else f":{built['REGATTA_TAG']}"
        ops = environment(MANIFESTS / "overlays" / overlay / "kfp" / "site.env")["OPS_IMAGE"]
        assert ops == f"{image.rpartition('/')[0]}/regatta-python-ops{end}"


class TestRendered:
    def test_is_valid(
        self,
        objects: list[Object],
        check_kubernetes: Callable[[Object], None],
        check_kserve: Callable[[Object], None],
    ) -> None:
        for found in objects:
            mine = found["apiVersion"].startswith(KSERVE)
            (check_kserve if mine else check_kubernetes)(found)

    def test_is_in_one_namespace(self, objects: list[Object]) -> None:
        for found in objects:
            # Only what tasks read is where runs are.
            if found["kind"] not in ("Namespace", "ConfigMap"):
                assert found["metadata"]["namespace"] == "regatta"

    def test_nothing_is_left_to_fill_in(self, objects: list[Object]) -> None:
        text = yaml.safe_dump_all(objects)
        assert "set-by-overlay" not in text
        assert "regatta-site" not in text

    def test_images_have_a_version(self, objects: list[Object]) -> None:
        found = [container["image"] for container in containers(objects)]
        assert found
        for image in found:
            assert re.search(r":[0-9][^:/]*$|@sha256:[0-9a-f]{64}$", image), image

    def test_containers_are_restricted(self, objects: list[Object]) -> None:
        for container in containers(objects):
            context = container["securityContext"]
            assert context["runAsNonRoot"] is True
            assert context["runAsUser"] == 10001
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}

    def test_containers_have_requests_limits_and_probes(self, objects: list[Object]) -> None:
        for container in containers(objects):
            for share in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][share].keys()
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["port"] == 8080

    def test_what_is_written_to_is_mounted(self, objects: list[Object]) -> None:
        for runtime in of_kind(objects, "ServingRuntime"):
            mounted = {m["name"]: m["mountPath"] for m in containers_of(runtime)["volumeMounts"]}
            volumes = {volume["name"]: volume for volume in runtime["spec"]["volumes"]}
            assert mounted == {"tmp": "/tmp"}
            assert volumes["tmp"]["emptyDir"]["sizeLimit"]

    def test_arguments_are_the_servers(self, objects: list[Object]) -> None:
        for runtime in of_kind(objects, "ServingRuntime"):
            given = " ".join(containers_of(runtime)["args"])
            given = given.replace("{{.Name}}", "churn").replace("$(OMP_NUM_THREADS)", "2")
            chosen = server._parser().parse_args(given.split())
            assert (chosen.model_name, chosen.http_port, chosen.cores) == ("churn", 8080, 2)
            ports = [port["containerPort"] for port in containers_of(runtime)["ports"]]
            assert ports == [chosen.http_port, chosen.grpc_port]

    def test_no_secret_and_no_account_token(self, objects: list[Object]) -> None:
        assert not of_kind(objects, "Secret")
        for account in of_kind(objects, "ServiceAccount"):
            assert account["automountServiceAccountToken"] is False

    def test_roles_are_small(self, objects: list[Object]) -> None:
        assert not of_kind(objects, "ClusterRole", "ClusterRoleBinding")
        rules = [rule for role in of_kind(objects, "Role") for rule in role["rules"]]
        assert rules
        for rule in rules:
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
            assert not {"secrets", "serviceaccounts", "pods/exec"} & {*rule["resources"]}
            if rule["apiGroups"] != [KSERVE]:
                assert {*rule["verbs"]} <= {"get", "list", "watch"}

    def test_accounts_of_bindings_exist(self, objects: list[Object]) -> None:
        accounts = {found["metadata"]["name"] for found in of_kind(objects, "ServiceAccount")}
        roles = {found["metadata"]["name"] for found in of_kind(objects, "Role")}
        for binding in of_kind(objects, "RoleBinding"):
            assert binding["roleRef"]["name"] in roles
            for subject in binding["subjects"]:
                assert subject["namespace"] != "regatta" or subject["name"] in accounts

    def test_pipelines_may_deploy_and_call(self, objects: list[Object], overlay: str) -> None:
        site = environment(MANIFESTS / "overlays" / overlay / "site.env")
        bound = [s for found in of_kind(objects, "RoleBinding") for s in found["subjects"]]
        wanted = (site["PIPELINES_ACCOUNT"], site["PIPELINES_NAMESPACE"])
        assert wanted in [(subject["name"], subject["namespace"]) for subject in bound]
        labels = {"kubernetes.io/metadata.name": site["PIPELINES_NAMESPACE"]}
        policies = {p["metadata"]["name"]: p["spec"] for p in of_kind(objects, "NetworkPolicy")}
        (ingress,) = policies["call-services"]["ingress"]
        sources = ingress["from"]
        assert [port["port"] for port in ingress["ports"]] == [8080, 8081]
        assert {"namespaceSelector": {"matchLabels": labels}} in sources
        assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

    def test_the_example_finds_its_runtime_and_account(self, objects: list[Object]) -> None:
        predictor = example()["spec"]["predictor"]
        formats = [
            one["name"]
            for runtime in of_kind(objects, "ServingRuntime")
            for one in runtime["spec"]["supportedModelFormats"]
            if one["autoSelect"] and runtime["metadata"]["name"] == predictor["model"]["runtime"]
        ]
        assert predictor["model"]["modelFormat"]["name"] in formats
        accounts = {found["metadata"]["name"] for found in of_kind(objects, "ServiceAccount")}
        assert predictor["serviceAccountName"] in accounts


def containers_of(runtime: Object) -> Object:
    return dict(runtime["spec"]["containers"][0])


class TestExample:
    def test_is_valid(self, check_kserve: Callable[[Object], None]) -> None:
        check_kserve(example())

    def test_is_what_a_deployment_makes(self) -> None:
        registry = "s3://models/regatta"
        uri = f"{registry}/models/churn/versions/1/bundle"
        assert example() == Wanted("churn", "1", uri, registry, DeploySettings()).body("churn")
        check_ours(example(), "regatta")

    def test_its_pod_may_run_where_pods_are_restricted(self) -> None:
        context = example()["spec"]["predictor"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}

    def test_its_arguments_are_the_servers(self) -> None:
        arguments = example()["spec"]["predictor"]["model"]["args"]
        assert server._parser().parse_args(arguments).model_version == "1"

    def test_an_unknown_field_is_refused(self) -> None:
        jsonschema = pytest.importorskip("jsonschema", reason="needs the extra manifests")
        schema = {"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": True}}}
        jsonschema.validate({"a": "1"}, strict(schema))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"b": 1}, strict(schema))
