"""Make the buckets, and the accounts of services and of tasks; safe to run again."""

import json
import os

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider

BUCKETS = ("mlpipeline", "models", "tables")
READ = ("s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket")
# Large files go up in parts, and what is left of a file that did not come through is removed.
WRITE = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject")
# By the variables that hold an account's keys: its policy, what that allows, and where.
ACCOUNTS = {
    "READER": ("regatta-models-read", READ, ("models",)),
    "TASKS": ("regatta-tasks", READ + WRITE, BUCKETS),
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
    print(f"buckets {', '.join(BUCKETS)} are there")
    admin = MinioAdmin(**store)
    for account, (policy, actions, buckets) in ACCOUNTS.items():
        user = os.environ[f"{account}_KEY"]
        admin.policy_add(policy, policy=allowing(actions, buckets))
        admin.user_add(user, os.environ[f"{account}_SECRET"])
        if policy not in json.loads(admin.user_info(user)).get("policyName", ""):
            admin.attach_policy([policy], user=user)
        print(f"{user} has the policy {policy}, of the buckets {', '.join(buckets)}")


def allowing(actions: tuple[str, ...], buckets: tuple[str, ...]) -> dict[str, object]:
    """Return a policy that allows these actions in these buckets, and nothing else."""
    places = [f"arn:aws:s3:::{name}{end}" for name in buckets for end in ("", "/*")]
    statement = {"Effect": "Allow", "Action": [*actions], "Resource": places}
    return {"Version": "2012-10-17", "Statement": [statement]}


if __name__ == "__main__":
    main()
