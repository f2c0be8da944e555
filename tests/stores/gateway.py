"""The gateway that tests share, and proxies in front of it, as objects of Python.

Tests find the gateway by the variables that tests/support/ceph-up writes; script/test starts it.
Whoever runs one by hand does:  . DIR/env; tests/stores/NAME_test.py
"""

import contextlib
import functools
import json
import os
import subprocess
import sys
import urllib.request
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
URL = os.environ.get("HOLDFAST_TEST_S3_URL", "")
TLS_URL = os.environ.get("HOLDFAST_TEST_S3_TLS_URL", "")
CA = os.environ.get("HOLDFAST_TEST_S3_CA", "")
DOMAIN = os.environ.get("HOLDFAST_TEST_S3_DOMAIN", "")
KEYS = {name: os.environ.get(name, "") for name in
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")}


def need():
    if not URL or not KEYS["AWS_ACCESS_KEY_ID"]:
        sys.exit("there is no gateway: run this by script/test stores, or read DIR/env of ceph-up")


@functools.cache
def client(url=None, key_id=None, secret=None):
    """A client of another make, to look at the store beside the program under test."""
    import botocore.config
    import botocore.session
    session = botocore.session.get_session()
    return session.create_client(
        "s3", endpoint_url=url or URL, region_name=KEYS["AWS_DEFAULT_REGION"],
        config=botocore.config.Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        aws_access_key_id=key_id, aws_secret_access_key=secret)


def new_bucket(name="test"):
    """A bucket that nobody else uses; returns its name."""
    bucket = f"{name}-{uuid.uuid4().hex[:12]}"
    client().create_bucket(Bucket=bucket)
    return bucket


def keys_of(bucket, prefix=""):
    """The keys below a prefix, sorted."""
    pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted(item["Key"] for page in pages for item in page.get("Contents", []))


def remove_all(bucket, prefix=""):
    """Give the memory of a test's objects back."""
    s3 = client()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        if found := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})


class Proxy:
    """A proxy of one's own; use it with "with"."""

    def __init__(self, upstream=None, **plan):
        self.upstream = upstream or URL
        self.first_plan = plan

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, HERE + "/proxy.py", self.upstream],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        where = json.loads(self.process.stdout.readline())
        self.url, self.control = where["url"], where["control"]
        if self.first_plan:
            self.plan(**self.first_plan)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, path, body=None):
        with contextlib.closing(urllib.request.urlopen(self.control + path, body, timeout=30)) as answer:
            return json.load(answer)

    def plan(self, **members):
        """Take a plan and count from zero."""
        self.ask("/plan", json.dumps(members).encode())

    def counters(self):
        return self.ask("/counters")

    def log(self):
        return self.ask("/log")
