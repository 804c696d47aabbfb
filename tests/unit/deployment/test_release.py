"""Deployments against a double of Kubernetes and KServe at the HTTP edge."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kubernetes import client

from regatta.deployment import REQUESTS, Cluster, Proof, Wanted, candidate_name, kube, release
from regatta.deployment import reasons as found_reasons
from regatta.errors import DeployError
from regatta.settings import DeploySettings
from tests.kserve_double import Double

SETTINGS = DeploySettings(target="kserve", timeout_seconds=10)
ROWS = [{"x": 1.0}, {"x": 2.5}]
PROOF = Proof({"classes": [], "thresholds": None}, ROWS, [[2.0], [5.0]])


def version(number: int, **changes: Any) -> Wanted:
    settings = SETTINGS.model_copy(update=changes)
    uri = f"s3://models/churn/versions/{number}/bundle"
    return Wanted("churn", str(number), uri, "s3://models", settings)


def deploy(cluster: Cluster, number: int, proof: Proof | None = PROOF) -> Any:
    return release(cluster, lambda: version(number), lambda _: proof)


def test_a_candidate_is_proven_first_and_gone_then(double: Double, cluster: Cluster) -> None:
    done = deploy(cluster, 1)
    assert (done.wanted.version, done.replaced, done.max_abs_difference) == ("1", "", 0.0)
    assert double.history == [
        "churn-candidate -> s3://models/churn/versions/1/bundle",
        "churn -> s3://models/churn/versions/1/bundle",
        "delete churn-candidate",
    ]
    assert double.served("churn") == "1"


def test_an_update_waits_for_the_new_version_to_answer(double: Double, cluster: Cluster) -> None:
    deploy(cluster, 1)
    double.rollout_seconds = 0.3
    done = deploy(cluster, 2)
    assert (done.replaced, double.served("churn")) == ("1", "2")


def test_the_same_version_again_changes_nothing(double: Double, cluster: Cluster) -> None:
    deploy(cluster, 1)
    history = list(double.history)
    done = deploy(cluster, 1)
    assert double.history == history
    assert (done.replaced, done.max_abs_difference) == ("", 0.0)


def test_what_it_sends_is_what_the_table_of_requests_says(double: Double, cluster: Cluster) -> None:
    deploy(cluster, 1)
    double.faults["s3://models/churn/versions/2/bundle"] = "crash"
    with pytest.raises(DeployError):
        deploy(cluster, 2)
    assert double.seen == {(r.verb, r.group, r.resource) for r in REQUESTS.values()}


@pytest.mark.parametrize(
    ("fault", "message", "fix"),
    [
        ("denied", "the store refused the bundle: .*AccessDenied", "Secret"),
        ("absent", "the bundle was not found: .*No model found", "registry"),
        ("crash", r"exit code 1: loading \| bundle.json has format 9", "serve image"),
        ("memory", "ran out of memory", "deploy.memory"),
        ("pull", "image serve:1 cannot be pulled", "push the image"),
        ("secret", 'secret "minio" not found', "Secret"),
        ("room", "no node has room .*Insufficient cpu", "deploy.cpu"),
        ("runtime", "no runtime for it .NoSupportingRuntime", "deploy.runtime"),
        ("quota", "no pod may be made: .*exceeded quota", "raise the quota"),
        ("differs", "differs from its bundle by", "serve image"),
        ("silent", "its pods are ready, but .*503", "network policies"),
    ],
)
def test_a_failed_version_leaves_the_one_before(
    double: Double,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    message: str,
    fix: str,
) -> None:
    deploy(cluster, 1)
    before = cluster.get("churn")
    double.history.clear()
    double.faults["s3://models/churn/versions/2/bundle"] = fault
    original = found_reasons.Reason.__init__

    def impatient(self: Any, found: str, fix: str, patience_seconds: float = 0) -> None:
        original(self, found, fix, patience_seconds and 0.05)

    monkeypatch.setattr(found_reasons.Reason, "__init__", impatient)
    with pytest.raises(DeployError, match=message) as caught:
        deploy(cluster, 2)
    assert caught.value.exit_code == 4
    assert fix in caught.value.fix
    assert "version 2 of churn" in caught.value.found
    assert cluster.get("churn") == before
    assert double.served("churn") == "1"
    assert double.history == [
        "churn-candidate -> s3://models/churn/versions/2/bundle",
        "delete churn-candidate",
    ]


def test_a_stable_service_that_fails_gets_its_version_back(
    double: Double, cluster: Cluster
) -> None:
    deploy(cluster, 1)
    double.rollout_seconds = 0

    class Failing(Cluster):
        def apply(self, body: Any) -> Any:
            made = super().apply(body)
            double.faults[body["spec"]["predictor"]["model"]["storageUri"]] = "crash"
            double.faults.pop("s3://models/churn/versions/1/bundle", None)
            return made

    with pytest.raises(DeployError, match="server ended"):
        deploy(Failing(cluster._client, "regatta"), 2)
    assert double.history[-2:] == [
        "churn -> s3://models/churn/versions/1/bundle",
        "delete churn-candidate",
    ]


def test_a_first_service_that_fails_is_deleted(double: Double, cluster: Cluster) -> None:
    class Failing(Cluster):
        def apply(self, body: Any) -> Any:
            double.faults["s3://models/churn/versions/1/bundle"] = "crash"
            return super().apply(body)

    with pytest.raises(DeployError, match="server ended"):
        deploy(Failing(cluster._client, "regatta"), 1)
    assert double.services == {}


def test_too_late(double: Double, cluster: Cluster) -> None:
    double.faults["s3://models/churn/versions/1/bundle"] = "late"
    quick = version(1, timeout_seconds=0.2)
    with pytest.raises(DeployError, match="was not ready in time: Ready is False"):
        release(cluster, lambda: quick, lambda _: PROOF)
    assert double.services == {}


def test_two_deployments_at_once_end_with_the_champion(double: Double, cluster: Cluster) -> None:
    deploy(cluster, 1)
    double.rollout_seconds = 0.3
    champion = [2]

    def one(number: int) -> Any:
        time.sleep(0.1 * (number - 2))
        champion[0] = number
        return release(cluster, lambda: version(champion[0]), lambda _: PROOF)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(one, (2, 3)))
    assert double.served("churn") == "3"
    assert done[1].wanted.version == "3"
    assert list(double.services) == ["churn"]


def test_a_candidate_that_was_left_behind_is_taken_away(double: Double, cluster: Cluster) -> None:
    left = version(1).body("churn-candidate", seconds="10", holder="somebody")
    assert cluster.create(left)
    double.services["churn-candidate"]["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    deploy(cluster, 2)
    assert double.served("churn") == "2"
    assert list(double.services) == ["churn"]


def test_a_service_of_somebody_else_is_refused(double: Double, cluster: Cluster) -> None:
    body = version(1).body("churn")
    body["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    cluster.apply(body)
    with pytest.raises(DeployError, match="'churn' of namespace regatta is not Regatta's but Helm"):
        deploy(cluster, 2)
    assert double.history == ["churn -> s3://models/churn/versions/1/bundle"]


def test_the_candidate_of_another_model_is_refused(cluster: Cluster) -> None:
    other = Wanted("churn-candidate", "1", "s3://models/x", "s3://models", SETTINGS)
    cluster.apply(other.body("churn-candidate"))
    with pytest.raises(DeployError, match="belongs to model 'churn-candidate'"):
        deploy(cluster, 1)


@pytest.mark.parametrize(
    ("verb", "status", "answer", "message"),
    [
        (
            "create",
            403,
            'inferenceservices is forbidden: User "x" cannot create resource "inferenceservices"',
            "not allowed to create inferenceservices",
        ),
        ("create", 403, "x is forbidden: exceeded quota: regatta", "quota of namespace regatta"),
        ("get", 401, "Unauthorized", "does not know who asks"),
        ("create", 500, "failed calling webhook x: no endpoints", "webhook does not answer"),
        ("create", 400, "admission webhook denied the request: no", "refused to create"),
    ],
)
def test_a_refusal_says_why(
    double: Double, cluster: Cluster, verb: str, status: int, answer: str, message: str
) -> None:
    double.refusals[verb] = (status, answer)
    with pytest.raises(DeployError, match=message):
        deploy(cluster, 1)


def test_kserve_is_not_installed(double: Double, cluster: Cluster) -> None:
    double.installed = False
    with pytest.raises(DeployError, match="KServe is not installed"):
        deploy(cluster, 1)


def test_no_such_namespace(double: Double, cluster: Cluster) -> None:
    with pytest.raises(DeployError, match="there is no namespace elsewhere"):
        deploy(Cluster(cluster._client, "elsewhere"), 1)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "PAUSES", ())
    nobody = client.ApiClient(client.Configuration(host="http://127.0.0.1:1"))
    with pytest.raises(DeployError, match=r"Kubernetes does not answer at http://127\.0\.0\.1:1"):
        deploy(Cluster(nobody, "regatta"), 1)


@pytest.mark.parametrize("model", ["churn", "x" * 43, "x" * 44, "x" * 50])
def test_names_leave_room_for_what_kserve_adds(model: str) -> None:
    assert len(f"{candidate_name(model)}-predictor") <= 63


def test_the_size_is_asked_for(cluster: Cluster) -> None:
    body = version(1, cpu="2", memory="4Gi", replicas=3, runtime="").body("churn", 3)
    predictor = body["spec"]["predictor"]
    size = {"cpu": "2", "memory": "4Gi"}
    assert predictor["model"]["resources"] == {"requests": size, "limits": size}
    assert predictor["minReplicas"] == 3
    assert "runtime" not in predictor["model"]
