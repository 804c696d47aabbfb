#!/bin/sh
# Makes a kind cluster with Kubeflow Pipelines, an object store, KServe and Regatta, and trains on
# it once. Needs kind, kubectl, an environment with Regatta (.venv or PYTHON=), and docker or podman
# with the images of `make images`. Safe to run again.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cluster=${CLUSTER:-regatta}

fail() { # found, expected, fix
    echo "kind_up.sh: $1; expected $2; to fix: $3" >&2
    exit 2
}
export PYTHON="${PYTHON:-$root/.venv/bin/python}"
for program in kind kubectl; do
    command -v "$program" >/dev/null || fail "there is no $program" "it on the PATH" "install it"
done
"$PYTHON" -c 'import regatta.cli' 2>/dev/null ||
    fail "$PYTHON has no Regatta" "an environment with it" "pip install -e . there, or set PYTHON"
# kind makes its nodes with the same program that has the images.
tool=${KIND_EXPERIMENTAL_PROVIDER:-}
if [ -z "$tool" ]; then
    tool=podman
    if docker version >/dev/null 2>&1; then tool=docker; fi
fi
command -v "$tool" >/dev/null || fail "there is no $tool" "docker or podman" "install one"
[ "$tool" = docker ] || export KIND_EXPERIMENTAL_PROVIDER="$tool"

settings=$root/images/images.env
if grep -q '^REGATTA_DIGEST_' "$settings"; then
    fail "images.env pins images by digest" "tags, as nodes are given images by tag" \
        "take the lines REGATTA_DIGEST_* out, and run regatta compile"
fi
registry=$(sed -n 's/^REGATTA_REGISTRY=//p' "$settings")
tag=$(sed -n 's/^REGATTA_TAG=//p' "$settings")
images='train serve ops' # data is for the single components
for image in $images; do
    name=$registry/regatta-python-$image:$tag
    "$tool" image inspect "$name" >/dev/null 2>&1 ||
        fail "$tool has no $name" "the images" "run make images"
done

kind get clusters | grep -qx "$cluster" || kind create cluster --name "$cluster"
kubectl config use-context "kind-$cluster"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for image in $images; do
    "$tool" save -o "$folder/$image.tar" "$registry/regatta-python-$image:$tag"
    kind load image-archive --name "$cluster" "$folder/$image.tar"
    rm "$folder/$image.tar"
done

"$root/tools/gke_deploy.sh" kind
"$root/tools/pipelines_up.sh" kind
"$root/tools/smoke.sh" kind
