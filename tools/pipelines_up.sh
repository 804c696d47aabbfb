#!/bin/sh
# Puts Kubeflow Pipelines with its object store on the cluster of the current context, and makes the
# Secrets that are not there yet. The argument is the overlay: kind or gke. tools/gke_deploy.sh has
# to be done first. Safe to run again.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/versions.env"
overlay=${1:-kind}
folder=$root/manifests/overlays/$overlay
apply() { kubectl apply --server-side --force-conflicts "$@"; }
key() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }
site() { sed -n "s/^$1=//p" "$folder/site.env"; }

fail() { # found, expected, fix
    echo "pipelines_up.sh: $1; expected $2; to fix: $3" >&2
    exit 2
}
there() { kubectl -n "$1" get secret "$2" >/dev/null 2>&1; } # namespace, name
value() { kubectl -n "$1" get secret "$2" -o "jsonpath={.data.$3}" | base64 -d; }
create() { # namespace, name, then key and value, twice; what is there stays
    # Not as arguments: those of a process are there for all users of a machine to read.
    there "$1" "$2" || printf '%s=%s\n' "$3" "$4" "$5" "$6" |
        kubectl -n "$1" create secret generic "$2" --from-env-file=/dev/stdin
}

[ -f "$folder/kfp/kustomization.yaml" ] || fail "no overlay '$overlay'" "kind or gke" "name one"
runs=$(site PIPELINES_NAMESPACE)
store=$(sed -n 's|^ *- .*/components/\([a-z0-9-]*\).*|\1|p' "$folder/kfp/kustomization.yaml" |
    grep -xE 'minio|seaweedfs|s3|s3-plain') || fail "no store in $folder/kfp" "one line" \
    "name minio, seaweedfs, s3 or s3-plain (manifests/README.md)"
# Kubeflow Pipelines is told the address by the component or its site.env, tasks by the overlay's.
endpoint=$(site S3_ENDPOINT)
told=$(sed -n 's/^ *- S3_ENDPOINT=//p' "$root/manifests/components/$store/kustomization.yaml")
told=${told:-$(sed -n 's/^S3_ENDPOINT=//p' "$folder/kfp/site.env")}
[ "$endpoint" = "$told" ] || fail "S3_ENDPOINT of $folder/site.env is $endpoint" "$told, as in kfp" \
    "write the same address into both"

case $endpoint in
*.kubeflow:* | *.kubeflow.svc*) ;;
*)
    grep -q '^ *- .*/components/models-elsewhere' "$folder/kustomization.yaml" ||
        fail "services may not reach $endpoint" \
            "components/models-elsewhere in $folder/kustomization.yaml" "add it behind models"
    ;;
esac

# MinIO and SeaweedFS are started with these keys; a store that is there already has its own.
case $store in
minio | seaweedfs)
    create kubeflow mlpipeline-minio-artifact accesskey "$(key 10)" secretkey "$(key 20)"
    ;;
*)
    there kubeflow mlpipeline-minio-artifact ||
        fail "there is no Secret mlpipeline-minio-artifact" "the keys of the store, in kubeflow" \
            "make it with accesskey and secretkey (docs/cluster.md)"
    ;;
esac
store_key=$(value kubeflow mlpipeline-minio-artifact accesskey)

account() { # name, and two Secrets by namespace and name: both get the keys that one of them has
    access=$1 secret=$(key 20)
    shift
    for place in "$1" "$2"; do
        # shellcheck disable=SC2086  # namespace and name
        if there $place; then
            access=$(value $place AWS_ACCESS_KEY_ID)
            secret=$(value $place AWS_SECRET_ACCESS_KEY)
            break
        fi
    done
    for place in "$1" "$2"; do
        # shellcheck disable=SC2086
        create $place AWS_ACCESS_KEY_ID "$access" AWS_SECRET_ACCESS_KEY "$secret"
    done
}

if [ "$store" = minio ]; then
    for place in kubeflow "$runs"; do
        if there "$place" regatta-store &&
            [ "$(value "$place" regatta-store AWS_ACCESS_KEY_ID)" = "$store_key" ]; then
            fail "regatta-store in $place holds the keys that MinIO is started with" \
                "those of an account for tasks" "delete that Secret, and run this again"
        fi
    done
    # Its buckets.yaml makes the accounts: one may only read models, one is for tasks.
    account regatta-models-reader "kubeflow regatta-models-reader" "regatta regatta-models"
    account regatta-tasks "kubeflow regatta-store" "$runs regatta-store"
    # A Job cannot be changed, and a finished one would not see new keys.
    kubectl -n kubeflow delete job minio-buckets --ignore-not-found
else
    create "$runs" regatta-store AWS_ACCESS_KEY_ID "$store_key" \
        AWS_SECRET_ACCESS_KEY "$(value kubeflow mlpipeline-minio-artifact secretkey)"
fi

apply -k "https://github.com/kubeflow/pipelines/manifests/kustomize/cluster-scoped-resources?ref=$KFP"
kubectl wait --for condition=established --timeout=60s crd/applications.app.k8s.io
apply -k "$folder/kfp"
kubectl -n kubeflow rollout status deployment/ml-pipeline --timeout=600s
if [ "$store" = minio ]; then
    kubectl -n kubeflow wait job/minio-buckets --for condition=complete --timeout=300s
fi

there regatta regatta-models || fail "there is no Secret regatta-models" \
    "keys that may read the models of this store, and its buckets" \
    "make them by hand (manifests/README.md), and run this again"
# KServe is told the address with the keys.
https=1
case $endpoint in http://*) https=0 ;; esac
kubectl -n regatta annotate --overwrite secret regatta-models \
    "serving.kserve.io/s3-endpoint=${endpoint#*://}" "serving.kserve.io/s3-usehttps=$https" \
    "serving.kserve.io/s3-region=$(site AWS_DEFAULT_REGION)"
