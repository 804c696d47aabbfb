"""The scripts that set clusters up, with stand-ins for the programs that they call."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.manifests.conftest import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "tools").glob("*.sh"))
# Keeps Secrets as files of lines KEY=value, and namespaces as empty files.
KUBECTL = r"""#!/bin/sh
echo "kubectl $*" >>"$STATE/log"
namespace=none
if [ "$1" = -n ]; then namespace=$2; shift 2; fi
case "$1 $2" in
"get secret")
    [ -f "$STATE/$namespace.$3" ] || exit 1
    key=${5#*data.}
    [ -z "${5:-}" ] || sed -n "s/^${key%\}}=//p" "$STATE/$namespace.$3" | tr -d '\n' | base64
    ;;
"create secret")
    name=$4
    [ ! -f "$STATE/$namespace.$name" ] || exit 1
    [ "$5" = --from-env-file=/dev/stdin ] && cat >"$STATE/$namespace.$name"
    ;;
"get namespace") [ -f "$STATE/namespace.$3" ] ;;
"create namespace") touch "$STATE/namespace.$3" ;;
esac
"""
KIND = """#!/bin/sh
echo "kind $* $KIND_EXPERIMENTAL_PROVIDER" >>"$STATE/log"
"""
BUILDER = """#!/bin/sh
echo "${0##*/} $*" >>"$STATE/log"
case "$1 ${0##*/}" in
"version docker") exit "${DOCKER_FAILS:-0}" ;;
save*) touch "$3" ;;
esac
"""


class Site:
    """A checkout's scripts and overlays, and a cluster that is a folder."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state = folder / "checkout", folder / "state"
        self.bin = folder / "bin"
        for made in (self.root / "images", self.state, self.bin):
            made.mkdir(parents=True)
        shutil.copytree(ROOT / "tools", self.root / "tools")
        shutil.copytree(ROOT / "manifests", self.root / "manifests")
        self.settings = self.root / "images" / "images.env"
        self.settings.write_text("REGATTA_REGISTRY=localhost\nREGATTA_TAG=1\n")
        for name, text in (("kubectl", KUBECTL), ("kind", KIND), ("docker", BUILDER)):
            self.program(name, text)

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": f"{self.bin}:/usr/bin:/bin", "STATE": str(self.state)} | more
        command = ["sh", str(self.root / "tools" / script), *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    def secrets(self) -> dict[str, dict[str, str]]:
        files = [
            one for one in self.state.iterdir() if one.name.startswith(("kubeflow", "regatta"))
        ]
        return {
            one.name: dict(line.split("=", 1) for line in one.read_text().splitlines())
            for one in files
        }

    def log(self) -> str:
        file = self.state / "log"
        return file.read_text() if file.exists() else ""

    def choose(self, store: str) -> None:
        file = self.root / "manifests/overlays/kind/kfp/kustomization.yaml"
        file.write_text(file.read_text().replace("components/minio\n", f"components/{store}\n"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS)
def test_is_valid(script: str) -> None:
    path = ROOT / "tools" / script
    subprocess.run(["sh", "-n", path], check=True)
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("overlay", ["kind", "gke"])
def test_secrets_hold_keys_and_nothing_of_the_store(site: Site, overlay: str) -> None:
    done = site.run("pipelines_up.sh", overlay)
    assert done.returncode == 0, done.stderr
    found = site.secrets()
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    root, store = found["kubeflow.mlpipeline-minio-artifact"], found["kubeflow.regatta-store"]
    # The address and the region are in the ConfigMap regatta-defaults alone.
    assert store.keys() == keys
    reader = found["regatta.regatta-models"]
    assert reader == found["kubeflow.regatta-models-reader"]
    # Neither tasks nor services have what MinIO is started with.
    every = [*root.values(), *store.values(), *reader.values()]
    assert len(set(every)) == len(every) == 6
    assert store["AWS_ACCESS_KEY_ID"] == "regatta-tasks"
    assert reader["AWS_ACCESS_KEY_ID"] == "regatta-models-reader"
    for value in {*every} - {"regatta-tasks", "regatta-models-reader"}:
        assert value not in site.log()
        assert re.fullmatch("[0-9a-f]{20}|[0-9a-f]{40}", value)
    assert f"-k {site.root}/manifests/overlays/{overlay}/kfp\n" in site.log()
    assert "s3-endpoint=minio-service.kubeflow:9000 serving.kserve.io/s3-usehttps=0" in site.log()


@pytest.mark.parametrize(
    "gone",
    [
        "kubeflow.mlpipeline-minio-artifact",
        "kubeflow.regatta-store",
        "kubeflow.regatta-models-reader",
        "regatta.regatta-models",
    ],
)
def test_each_secret_is_made_by_itself(site: Site, gone: str) -> None:
    assert site.run("pipelines_up.sh").returncode == 0
    before = site.secrets()
    assert site.run("pipelines_up.sh").returncode == 0
    assert site.secrets() == before
    (site.state / gone).unlink()
    assert site.run("pipelines_up.sh").returncode == 0
    after = site.secrets()
    assert after.keys() == before.keys()
    # Keys of which there was one copy only are new; the account is the same.
    assert gone.endswith(("artifact", "store")) == (after != before)
    accounts = [
        {name: found.get("AWS_ACCESS_KEY_ID") for name, found in secrets.items()}
        for secrets in (before, after)
    ]
    assert accounts[0] == accounts[1]


def test_where_runs_are_tasks_have_the_keys_of_the_account(site: Site) -> None:
    """MinIO makes it, beside Kubeflow Pipelines; runs may be in another namespace."""
    settings = site.root / "manifests/overlays/kind/site.env"
    text = settings.read_text().replace("=kubeflow\n", "=regatta-team\n")
    settings.write_text(text)
    assert site.run("pipelines_up.sh").returncode == 0
    made = site.secrets()["kubeflow.regatta-store"]
    assert site.secrets()["regatta-team.regatta-store"] == made
    (site.state / "kubeflow.regatta-store").unlink()
    assert site.run("pipelines_up.sh").returncode == 0
    assert site.secrets()["kubeflow.regatta-store"] == made
    # A finished Job would leave new keys without their account.
    log = site.log().splitlines()
    gone = "kubectl -n kubeflow delete job minio-buckets --ignore-not-found"
    applied = f"kubectl apply --server-side --force-conflicts -k {site.root}/manifests/overlays"
    assert log.index(gone) < log.index(f"{applied}/kind/kfp")


def test_tasks_are_not_left_with_the_keys_of_the_server(site: Site) -> None:
    (site.state / "kubeflow.mlpipeline-minio-artifact").write_text("accesskey=a\nsecretkey=b\n")
    mistaken = site.state / "kubeflow.regatta-store"
    mistaken.write_text("AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n")
    done = site.run("pipelines_up.sh")
    assert done.returncode == 2
    assert "regatta-store in kubeflow holds the keys that MinIO is started with" in done.stderr
    assert "apply" not in site.log()
    mistaken.unlink()
    assert site.run("pipelines_up.sh").returncode == 0
    assert "a" not in site.secrets()["kubeflow.regatta-store"].values()


def test_another_store_is_not_given_made_up_keys(site: Site) -> None:
    site.choose("s3")
    settings = site.root / "manifests/overlays/kind/site.env"
    text = re.sub("S3_ENDPOINT=.*", "S3_ENDPOINT=https://s3.example.com:443", settings.read_text())
    settings.write_text(re.sub("REGION=.*", "REGION=eu-west-1", text))
    done = site.run("pipelines_up.sh")
    assert done.returncode == 2
    assert "write the same address into both" in done.stderr
    beside = settings.parent / "kfp" / "site.env"
    beside.write_text(beside.read_text().replace("s3.eu-west-1.amazonaws.com", "s3.example.com"))
    done = site.run("pipelines_up.sh")
    assert done.returncode == 2
    assert "services may not reach https://s3.example.com:443" in done.stderr
    overlay = settings.parent / "kustomization.yaml"
    line = "  - ../../components/models\n"
    text = overlay.read_text().replace(line, line + line.replace("models", "models-elsewhere"))
    overlay.write_text(text)
    done = site.run("pipelines_up.sh")
    assert done.returncode == 2
    assert "no Secret mlpipeline-minio-artifact" in done.stderr
    (site.state / "kubeflow.mlpipeline-minio-artifact").write_text("accesskey=a\nsecretkey=b\n")
    done = site.run("pipelines_up.sh")
    assert done.returncode == 2
    assert "no Secret regatta-models" in done.stderr
    (site.state / "regatta.regatta-models").write_text("AWS_ACCESS_KEY_ID=r\n")
    done = site.run("pipelines_up.sh")
    assert done.returncode == 0, done.stderr
    assert list(site.secrets()["kubeflow.regatta-store"].values()) == ["a", "b"]
    wanted = "s3-endpoint=s3.example.com:443 serving.kserve.io/s3-usehttps=1"
    assert f"{wanted} serving.kserve.io/s3-region=eu-west-1" in site.log()
    assert "minio" not in site.log().replace("mlpipeline-minio-artifact", "")


def test_a_namespace_that_is_there_is_left_alone(site: Site) -> None:
    assert site.run("gke_deploy.sh", "gke").returncode == 0
    assert site.log().count("create namespace kubeflow") == 1
    assert site.run("gke_deploy.sh", "gke").returncode == 0
    assert site.log().count("create namespace") == 1


@pytest.mark.parametrize(
    ("endpoint", "forwarded"),
    [
        ("http://minio-service.kubeflow:9000", "-n kubeflow port-forward service/minio-service"),
        ("http://rustfs.storage.svc.cluster.local:9000", "-n storage port-forward service/rustfs"),
        ("https://s3.example.com:443", ""),
    ],
)
def test_the_smoke_run_asks_the_store_of_the_site(
    site: Site, endpoint: str, forwarded: str
) -> None:
    settings = site.root / "manifests/overlays/kind/site.env"
    settings.write_text(re.sub("S3_ENDPOINT=.*", f"S3_ENDPOINT={endpoint}", settings.read_text()))
    (site.state / "kubeflow.regatta-store").write_text("AWS_ACCESS_KEY_ID=a\n")
    site.program(
        "python", '#!/bin/sh\necho "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $*" >>$STATE/log\n'
    )
    site.program("sleep", "#!/bin/sh\n")
    done = site.run("smoke.sh", "kind", PYTHON="python")
    assert done.returncode == 0, done.stderr
    address = "http://127.0.0.1:19000" if forwarded else endpoint
    assert f"{address} a -m regatta.cli submit train" in site.log()
    assert (
        f"kubectl {forwarded} 19000:9000" in site.log() if forwarded else "19000" not in site.log()
    )


@pytest.mark.parametrize("tool", ["docker", "podman"])
def test_nodes_are_given_images_by_the_program_that_has_them(site: Site, tool: str) -> None:
    for script in ("gke_deploy.sh", "pipelines_up.sh", "smoke.sh"):
        (site.root / "tools" / script).write_text(f"#!/bin/sh\necho {script} $* >>$STATE/log\n")
    site.program("python", "#!/bin/sh\n")
    site.program("podman", BUILDER)
    fails = "1" if tool == "podman" else "0"
    done = site.run("kind_up.sh", PYTHON="python", DOCKER_FAILS=fails)
    assert done.returncode == 0, done.stderr
    log = site.log()
    for image in ("train", "serve", "ops"):
        assert re.search(rf"{tool} save -o \S+/{image}.tar localhost/regatta-python-{image}:", log)
        assert re.search(rf"kind load image-archive --name regatta \S+/{image}.tar", log)
    assert "regatta-python-data" not in log
    provider = "" if tool == "docker" else tool
    calls = re.findall(r"^kind .* (\w*)$", log, re.MULTILINE)
    assert len(calls) == 5
    assert set(calls) == {provider}
    assert log.endswith("gke_deploy.sh kind\npipelines_up.sh kind\nsmoke.sh kind\n")


def test_pinned_images_and_missing_parts_are_refused(site: Site) -> None:
    done = site.run("kind_up.sh", PYTHON="/nowhere/python")
    assert (done.returncode, "/nowhere/python has no Regatta" in done.stderr) == (2, True)
    site.program("python", "#!/bin/sh\n")
    with site.settings.open("a") as file:
        file.write("REGATTA_DIGEST_train=sha256:0\n")
    done = site.run("kind_up.sh", PYTHON="python")
    assert (done.returncode, "images.env pins images by digest" in done.stderr) == (2, True)
    (site.bin / "kind").unlink()
    done = site.run("kind_up.sh", PYTHON="python")
    assert (done.returncode, "there is no kind" in done.stderr) == (2, True)
    assert "to fix:" in done.stderr
    assert "kind create" not in site.log()
