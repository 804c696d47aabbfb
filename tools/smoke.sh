#!/bin/sh
# Trains on a small table on the cluster of the current context, through forwarded ports.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
folder=$(mktemp -d)
kubectl -n kubeflow port-forward service/ml-pipeline 18888:8888 >"$folder/kfp.log" 2>&1 &
first=$!
kubectl -n kubeflow port-forward service/minio-service 19000:9000 >"$folder/minio.log" 2>&1 &
trap 'kill $first $!; rm -rf "$folder"' EXIT
secret() { kubectl -n kubeflow get secret regatta-store -o "jsonpath={.data.$1}" | base64 -d; }
AWS_ACCESS_KEY_ID=$(secret AWS_ACCESS_KEY_ID)
AWS_SECRET_ACCESS_KEY=$(secret AWS_SECRET_ACCESS_KEY)
AWS_ENDPOINT_URL=http://127.0.0.1:19000
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL
sleep 3
"$python" - "$folder/toy.csv" <<'PYTHON'
import sys

from regatta.store import Location, connect
from regatta.testing.tables import binary_table

binary_table(1_000).to_csv(sys.argv[1], index=False)
connect().upload_file(sys.argv[1], Location("tables", "smoke.csv"))
PYTHON
"$python" -m regatta.cli submit train --host http://127.0.0.1:18888 --source s3://tables/smoke.csv \
    --target outcome --name smoke --budget 2m --registry s3://models/regatta --deploy kserve \
    --set search.max_trials=4 --argument pods_cpu=100m --argument pods_memory=1Gi
