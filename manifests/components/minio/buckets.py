"""Make the buckets and the account that may read models; safe to run again."""

import json
import os

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider

BUCKETS = ("mlpipeline", "models", "tables")
POLICY = "regatta-models-read"
READ = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
        }
    ],
}


def main() -> None:
    """Read the environment, and make what is missing."""
    endpoint, key, secret = (os.environ[n] for n in ("ENDPOINT", "ROOT_KEY", "ROOT_SECRET"))
    # Outlasts the start of the server; the Job tries again if it does not.
    patient = urllib3.PoolManager(retries=urllib3.Retry(10, backoff_factor=0.5))
    keys = StaticProvider(key, secret)
    store = {"endpoint": endpoint, "secure": False, "region": "us-east-1", "credentials": keys}
    client = Minio(**store, http_client=patient)
    for bucket in BUCKETS:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
    admin = MinioAdmin(**store)
    admin.policy_add(POLICY, policy=READ)
    reader = os.environ["READER_KEY"]
    admin.user_add(reader, os.environ["READER_SECRET"])
    if POLICY not in json.loads(admin.user_info(reader)).get("policyName", ""):
        admin.attach_policy([POLICY], user=reader)
    print(f"buckets {', '.join(BUCKETS)} are there; {reader} may read models")


if __name__ == "__main__":
    main()
