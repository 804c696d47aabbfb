"""What can be said of the images without building them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.images import IMAGES, image
from regatta.errors import UsageError

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "images"
NAMES = ["base", "data", "ops", "serve", "train"]
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^\s;\\]+)", re.MULTILINE)


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile."""
    text = (FOLDER / name / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip().partition(" ") for line in text.splitlines() if line.strip()]
    return [(word.upper(), rest.strip()) for word, _, rest in lines]


def last_stage(name: str) -> list[tuple[str, str]]:
    """Return the instructions of the stage that becomes the image."""
    found = instructions(name)
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def pins(path: Path) -> dict[str, str]:
    return dict(PIN.findall(path.read_text(encoding="utf-8")))


def environment() -> dict[str, str]:
    text = (FOLDER / "images.env").read_text(encoding="utf-8")
    pairs = (line.partition("=") for line in text.splitlines() if line and line[0] != "#")
    return {key: value for key, _, value in pairs}


def test_every_component_has_an_image() -> None:
    assert sorted(path.parent.name for path in FOLDER.glob("*/Dockerfile")) == NAMES
    assert set(IMAGES.values()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestDockerfile:
    def test_bases_come_from_arguments_with_a_version(self, name: str) -> None:
        arguments = [rest for word, rest in instructions(name) if word == "ARG"]
        assert f"BASE={environment()['REGATTA_BASE']}" in arguments
        if name != "base":
            assert f"CORE=localhost/regatta-python-base:{environment()['REGATTA_TAG']}" in arguments
        sources = {rest.split()[0] for word, rest in instructions(name) if word == "FROM"}
        assert sources <= {"${BASE}", "${CORE}", "scratch"}
        for argument in arguments:
            image = argument.partition("=")[2]
            if "/" in image:
                assert re.search(r":[0-9][^:/]*$", image), f"{image} has no version"
                assert not image.endswith(":latest")

    def test_nothing_runs_in_the_last_stage(self, name: str) -> None:
        """Without RUN and ADD, it holds what other stages made and no trace of how."""
        words = [word for word, _ in last_stage(name)]
        assert set(words) <= {
            "FROM", "COPY", "ENV", "WORKDIR", "ARG", "LABEL", "USER", "EXPOSE", "ENTRYPOINT", "CMD"
        }  # fmt: skip
        copies = [rest for word, rest in last_stage(name) if word == "COPY"]
        assert copies
        assert all(rest.startswith("--from=") for rest in copies)

    def test_the_user_is_a_number(self, name: str) -> None:
        assert [rest for word, rest in last_stage(name) if word == "USER"] == ["10001:10001"]

    def test_no_probe(self, name: str) -> None:
        assert "HEALTHCHECK" not in dict(instructions(name))

    def test_labels(self, name: str) -> None:
        labels = dict(
            re.findall(
                r'org\.opencontainers\.image\.([a-z.]+)="([^"]+)"', dict(last_stage(name))["LABEL"]
            )
        )
        assert labels.pop("title") == f"regatta-python-{name}"
        assert labels.pop("description")
        assert labels == {
            "licenses": "Apache-2.0",
            "base.name": "${BASE}",
            "version": "${VERSION}",
            "revision": "${REVISION}",
            "created": "${CREATED}",
        }

    def test_starts_without_a_shell(self, name: str) -> None:
        starts = [rest for word, rest in last_stage(name) if word in ("ENTRYPOINT", "CMD")]
        assert starts
        assert all(rest.startswith("[") for rest in starts)

    def test_no_address_and_no_secret(self, name: str) -> None:
        text = (FOLDER / name / "Dockerfile").read_text(encoding="utf-8")
        for word in ("http://", "https://", "index-url", "pip.conf", "/etc/ssl", "password"):
            assert word not in text.lower()


@pytest.mark.parametrize("name", NAMES)
class TestLock:
    def test_every_requirement_has_a_version_and_hashes(self, name: str) -> None:
        text = (FOLDER / name / "requirements.txt").read_text(encoding="utf-8")
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
        for line in text.splitlines():
            assert re.fullmatch(r"[a-z0-9-]+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", line), line

    def test_no_address_of_an_index(self, name: str) -> None:
        text = (FOLDER / name / "requirements.txt").read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text

    def test_versions_are_the_same_in_all_images(self, name: str) -> None:
        every = pins(FOLDER / "constraints.txt")
        mine = pins(FOLDER / name / "requirements.txt")
        assert mine.items() <= every.items()

    def test_what_the_base_has_is_not_installed_again(self, name: str) -> None:
        if name != "base":
            base = pins(FOLDER / "base" / "requirements.txt")
            assert not base.keys() & pins(FOLDER / name / "requirements.txt").keys()


def test_the_server_holds_no_search_and_no_pipelines() -> None:
    serve = pins(FOLDER / "serve" / "requirements.txt")
    assert not serve.keys() & {"alembic", "jinja2", "kfp", "optuna", "sqlalchemy"}


def test_what_runs_components_is_where_components_run() -> None:
    """A component's pod installs nothing, so its image has the executor of the pipelines."""
    for name in set(IMAGES.values()):
        assert "kfp" in pins(FOLDER / name / "requirements.txt")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["nonsense"], "'nonsense'"),
        (["--base"], "--base has no value"),
        (["--tool", "nonsense"], "nonsense does not work here"),
    ],
)
def test_build_says_what_to_do(arguments: list[str], found: str) -> None:
    done = subprocess.run(
        ["sh", FOLDER / "build.sh", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert found in done.stderr
    assert "to fix:" in done.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.sh")))
def test_scripts_are_valid(script: str) -> None:
    subprocess.run(["sh", "-n", FOLDER / script], check=True)


def test_bill_of_materials_of_this_environment() -> None:
    """The script reads what is installed where it runs: here, this environment."""
    done = subprocess.run(
        [sys.executable, "-", "localhost/regatta-python-data:1"],
        input=(FOLDER / "sbom.py").read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        check=True,
    )
    bill = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "localhost/regatta-python-data"
    assert bill["metadata"]["component"]["version"] == "1"
    names = {component["name"]: component for component in bill["components"]}
    assert names["numpy"]["purl"].startswith("pkg:pypi/numpy@")
    references = [component["bom-ref"] for component in bill["components"]]
    assert len(references) == len(set(references))
    assert references == sorted(references)


DIGEST = f"sha256:{'0123456789abcdef' * 4}"
DOCKER = f"""#!/bin/sh
case $1 in
inspect) printf '%s\\n' third.example/regatta-python-train@sha256:1 \\
    other.example/regatta-python-train@{DIGEST} \\
    ghcr.io/me/regatta-python-train@{DIGEST} ;;
push) echo "pushed $2" ;;
esac
"""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what images.env says, without digests, and make that all that is said."""
    for variable in [name for name in os.environ if name.startswith("REGATTA_DIGEST_")]:
        monkeypatch.delenv(variable)
    for variable in ("REGATTA_REGISTRY", "REGATTA_TAG"):
        monkeypatch.delenv(variable, raising=False)
    pairs = environment().items()
    values = {key: value for key, value in pairs if not key.startswith("REGATTA_DIGEST_")}
    monkeypatch.setattr("components.images._values", lambda _: values)
    return values


def test_a_digest_is_named_instead_of_the_tag(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, tag = settings["REGATTA_REGISTRY"], settings["REGATTA_TAG"]
    monkeypatch.setenv("REGATTA_DIGEST_train", DIGEST)
    assert image("trial") == f"{registry}/regatta-python-train@{DIGEST}"
    assert image("ingest") == f"{registry}/regatta-python-data:{tag}"
    monkeypatch.setenv("REGATTA_DIGEST_train", "0.1.0")
    with pytest.raises(UsageError, match=r"REGATTA_DIGEST_train is '0\.1\.0'"):
        image("trial")


@pytest.mark.parametrize(
    ("variable", "value", "end"),
    [
        ("REGATTA_TAG", "dev", "/regatta-python-train:dev"),
        ("REGATTA_REGISTRY", "ghcr.io/other", "/regatta-python-train:{REGATTA_TAG}"),
    ],
)
def test_another_place_leaves_out_the_digests_of_the_file(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str, end: str
) -> None:
    settings["REGATTA_DIGEST_train"] = DIGEST
    assert image("trial").endswith(f"@{DIGEST}")
    monkeypatch.setenv(variable, settings[variable])
    assert image("trial").endswith(f"@{DIGEST}")
    monkeypatch.setenv(variable, value)
    registry = value if variable == "REGATTA_REGISTRY" else settings["REGATTA_REGISTRY"]
    assert image("trial") == registry + end.format(**settings)
    monkeypatch.setenv("REGATTA_DIGEST_train", DIGEST)
    assert image("trial") == f"{registry}/regatta-python-train@{DIGEST}"


def test_a_push_keeps_the_digest_and_a_build_drops_it(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "build.sh").write_bytes((FOLDER / "build.sh").read_bytes())
    file = folder / "images.env"
    before = "REGATTA_REGISTRY=ghcr.io/me\nREGATTA_TAG=1\nREGATTA_BASE=python:3\n"
    file.write_text(before)
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    wheel = tmp_path / "regatta.whl"
    wheel.touch()
    (tmp_path / "src" / "regatta").mkdir(parents=True)
    (tmp_path / "src" / "regatta" / "__init__.py").write_text('__version__ = "1"\n')

    def run(*arguments: str, **more: str) -> str:
        there = {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | more
        command = ["sh", str(folder / "build.sh"), "--tool", "docker", *arguments, "train"]
        done = subprocess.run(command, env=there, capture_output=True, text=True, check=True)
        return done.stdout

    # What is built or pushed elsewhere is not what the file names.
    other = f"other.example/regatta-python-train@{DIGEST}\n"
    assert run("--push", REGATTA_REGISTRY="other.example") == other
    assert file.read_text() == before
    for _ in range(2):
        assert run("--push") == f"ghcr.io/me/regatta-python-train@{DIGEST}\n"
        assert file.read_text() == f"{before}REGATTA_DIGEST_train={DIGEST}\n"
    run("--wheel", str(wheel), REGATTA_REGISTRY="other.example")
    run("--wheel", str(wheel), REGATTA_TAG="dev")
    assert file.read_text() == f"{before}REGATTA_DIGEST_train={DIGEST}\n"
    run("--wheel", str(wheel))
    assert file.read_text() == before


UV = """#!/bin/sh
echo "$*" >>"$LOG"
echo "some-package==1"
"""


@pytest.fixture
def locked(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that locks in a copy, and returns what the compiler was asked for."""
    shutil.copytree(FOLDER, tmp_path / "images")
    uv = tmp_path / "uv"
    uv.write_text(UV)
    uv.chmod(0o755)

    def lock(*arguments: str) -> list[str]:
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        script = tmp_path / "images" / "lock.sh"
        environ = {"PATH": os.environ["PATH"], "UV": str(uv), "LOG": str(log)}
        subprocess.run(["sh", script, *arguments], env=environ, check=True)
        return log.read_text().splitlines()

    return lock


def test_a_learner_can_be_locked_into_the_image_of_the_race(
    locked: Callable[..., list[str]],
) -> None:
    calls = locked("--extra", "catboost")
    # The first is that of all images together, so that versions agree.
    assert "--extra catboost" in calls[0]
    assert [call for call in calls[1:] if "--extra catboost" in call] == [
        call for call in calls[1:] if "--extra train" in call
    ]
    assert all("--generate-hashes" in call for call in calls[1:])
    plain = locked()
    assert plain == [call.replace(" --extra catboost", "") for call in calls]
    assert "--constraints images/constraints.txt" in plain[0]
    assert "--constraints /dev/null" in locked("--upgrade")[0]


@pytest.mark.parametrize("arguments", [["--extra"], ["--extra", "serve"], ["--upgrade", "x"]])
def test_lock_says_what_to_do_and_changes_nothing(tmp_path: Path, arguments: list[str]) -> None:
    shutil.copytree(FOLDER, tmp_path / "images")
    done = subprocess.run(
        ["sh", tmp_path / "images" / "lock.sh", *arguments],
        env={"PATH": os.environ["PATH"], "UV": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"'{arguments[-1] if len(arguments) == 2 else ''}'; expected" in done.stderr
    assert "to fix:" in done.stderr
    for path in FOLDER.rglob("*.txt"):
        assert (tmp_path / "images" / path.relative_to(FOLDER)).read_bytes() == path.read_bytes()
