#!/bin/sh
# Trains on a small table on the cluster of the current context, through forwarded ports. The
# argument is the overlay whose site.env names the store: kind or gke.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
settings=$root/manifests/overlays/${1:-kind}/site.env
site() { sed -n "s/^$1=//p" "$settings"; }
folder=$(mktemp -d)
forwards=''
trap 'for one in $forwards; do kill "$one" || true; done; rm -rf "$folder"' EXIT
kubectl -n kubeflow port-forward service/ml-pipeline 18888:8888 >"$folder/kfp.log" 2>&1 &
forwards="$forwards $!"
AWS_ENDPOINT_URL=$(site S3_ENDPOINT)
case $AWS_ENDPOINT_URL in
http://*) # a service of the cluster: name.namespace:port
    address=${AWS_ENDPOINT_URL#http://}
    port=80
    case $address in *:*) port=${address##*:} ;; esac
    host=${address%%:*}
    rest=${host#*.}
    kubectl -n "${rest%%.*}" port-forward "service/${host%%.*}" "19000:$port" \
        >"$folder/store.log" 2>&1 &
    forwards="$forwards $!"
    AWS_ENDPOINT_URL=http://127.0.0.1:19000
    ;;
esac
runs=$(site PIPELINES_NAMESPACE)
secret() { kubectl -n "$runs" get secret regatta-store -o "jsonpath={.data.$1}" | base64 -d; }
AWS_ACCESS_KEY_ID=$(secret AWS_ACCESS_KEY_ID)
AWS_SECRET_ACCESS_KEY=$(secret AWS_SECRET_ACCESS_KEY)
AWS_REGION=$(site AWS_DEFAULT_REGION)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL AWS_REGION
sleep 3
"$python" - "$folder/toy.csv" <<'PYTHON'
import sys

from regatta.store import Location, connect
from regatta.testing.tables import binary_table

binary_table(1_000).to_csv(sys.argv[1], index=False)
connect().upload_file(sys.argv[1], Location("tables", "smoke.csv"))
PYTHON
"$python" -m regatta.cli submit train --host http://127.0.0.1:18888 --source s3://tables/smoke.csv \
    --target outcome --name smoke --budget 2m --registry "$(site REGATTA_MODELS)" --deploy kserve \
    --set search.max_trials=4 --argument pods_cpu=100m --argument pods_memory=1Gi
