#!/bin/sh
# Makes a kind cluster with Kubeflow Pipelines, MinIO, KServe and Regatta, and trains on it once.
# Needs kind, kubectl, and docker or podman with the images of `make images`. Safe to run again.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/versions.env"
cluster=${CLUSTER:-regatta}
apply() { kubectl apply --server-side --force-conflicts "$@"; }
key() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }

for program in kind kubectl; do
    command -v "$program" >/dev/null || {
        echo "kind_up.sh: there is no $program; expected it on the PATH; to fix: install it" >&2
        exit 2
    }
done
kind get clusters | grep -qx "$cluster" || kind create cluster --name "$cluster"
kubectl config use-context "kind-$cluster"

registry=$(sed -n 's/^REGATTA_REGISTRY=//p' "$root/images/images.env")
tag=$(sed -n 's/^REGATTA_TAG=//p' "$root/images/images.env")
for image in data train serve ops; do
    kind load docker-image --name "$cluster" "$registry/regatta-python-$image:$tag"
done

"$root/tools/gke_deploy.sh" kind

# Keys are made once and stay in the cluster.
if ! kubectl -n kubeflow get secret mlpipeline-minio-artifact >/dev/null 2>&1; then
    access=$(key 10) secret=$(key 20) reader=$(key 10) reading=$(key 20)
    kubectl -n kubeflow create secret generic mlpipeline-minio-artifact \
        --from-literal="accesskey=$access" --from-literal="secretkey=$secret"
    kubectl -n kubeflow create secret generic regatta-store \
        --from-literal="AWS_ACCESS_KEY_ID=$access" --from-literal="AWS_SECRET_ACCESS_KEY=$secret" \
        --from-literal=AWS_ENDPOINT_URL=http://minio-service.kubeflow:9000 \
        --from-literal=AWS_REGION=us-east-1
    for namespace in kubeflow regatta; do
        name=regatta-models
        [ "$namespace" = kubeflow ] && name=regatta-models-reader
        kubectl -n "$namespace" create secret generic "$name" \
            --from-literal="AWS_ACCESS_KEY_ID=$reader" --from-literal="AWS_SECRET_ACCESS_KEY=$reading"
    done
    kubectl -n regatta annotate secret regatta-models \
        serving.kserve.io/s3-endpoint=minio-service.kubeflow:9000 \
        serving.kserve.io/s3-usehttps=0 serving.kserve.io/s3-region=us-east-1
fi
apply -k "https://github.com/kubeflow/pipelines/manifests/kustomize/cluster-scoped-resources?ref=$KFP"
kubectl wait --for condition=established --timeout=60s crd/applications.app.k8s.io
apply -k "$root/manifests/overlays/kind/kfp"
kubectl -n kubeflow rollout status deployment/ml-pipeline --timeout=600s
# With another store there is no such job, and its buckets are made by hand.
if kubectl -n kubeflow get job/minio-buckets >/dev/null 2>&1; then
    kubectl -n kubeflow wait job/minio-buckets --for condition=complete --timeout=300s
fi

"$root/tools/smoke.sh"
