#!/bin/sh
# Puts cert-manager, KServe (Standard mode) and Regatta's namespace on the cluster of the current
# context. tools/pipelines_up.sh adds Kubeflow Pipelines with an object store, where there is none.
# The argument is the overlay: gke or kind.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/versions.env"
overlay=${1:-gke}
apply() { kubectl apply --server-side --force-conflicts "$@"; }

apply -f "https://github.com/cert-manager/cert-manager/releases/download/$CERT_MANAGER/cert-manager.yaml"
for name in cert-manager cert-manager-webhook cert-manager-cainjector; do
    kubectl -n cert-manager rollout status "deployment/$name" --timeout=300s
done
apply -f "https://github.com/kserve/kserve/releases/download/$KSERVE/kserve.yaml"
kubectl -n kserve patch configmap inferenceservice-config --type merge --patch-file \
    "$root/tools/kserve-standard.json"
kubectl -n kserve rollout status deployment/kserve-controller-manager --timeout=300s
apply -f "https://github.com/kserve/kserve/releases/download/$KSERVE/kserve-cluster-resources.yaml"
runs=$(sed -n 's/^PIPELINES_NAMESPACE=//p' "$root/manifests/overlays/$overlay/site.env")
# Where it is, it is as Kubeflow Pipelines made it.
kubectl get namespace "$runs" >/dev/null 2>&1 || kubectl create namespace "$runs"
apply -k "$root/manifests/overlays/$overlay"
echo "Regatta's namespace is ready. Next, where there is no Kubeflow Pipelines:"
echo "tools/pipelines_up.sh $overlay. Otherwise the keys of its store: docs/cluster.md."
