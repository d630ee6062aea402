"""Reads the same log events with quarterdeck, awslogs and boto3 from one emulator, and prints the times.

    compare_logs.py QUARTERDECK [EVENTS]

The emulator is moto: unlike ministack's, its FilterLogEvents has pages, without which the others
read the first 10,000 events only.

Every reader decodes all events and writes them to /dev/null. "endpoint alone" fetches the same
pages without looking at them: no reader can be faster than that.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3

REGION = "us-east-1"
GROUP = "/quarterdeck/local/time"
STREAMS = 7
PAGE = 10_000
TOKEN = re.compile(rb'"nextToken":\s*("[^"]*")')
ROUNDS = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port, folder):
    """The emulator, answering."""
    quiet = subprocess.DEVNULL
    server = os.path.join(os.path.dirname(sys.executable), "moto_server")
    child = subprocess.Popen([server, "-H", "127.0.0.1", "-p", str(port)], cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=1)
            return child
        except OSError:
            time.sleep(0.1)
    child.kill()
    raise SystemExit("the emulator did not answer within 60 s")


def message(number):
    line = {
        "ts": "2026-01-01T00:00:00.000Z", "level": "info", "event": "request", "server": "time",
        "method": "tools/call", "tool": "convert_time", "client": "5h1kq8machine", "status": 200,
        "latency_ms": 0.64, "request_id": f"{number:016x}",
    }
    return json.dumps(line, separators=(",", ":"))


def put(client, events):
    """So many events in the last minutes, and the service that quarterdeck finds the group by."""
    client("logs").create_log_group(logGroupName=GROUP)
    newest = int(time.time() * 1000) - 1_000
    for stream in range(STREAMS):
        name = f"time/time/{stream:032x}"
        client("logs").create_log_stream(logGroupName=GROUP, logStreamName=name)
        mine = [
            {"timestamp": newest - (events - number), "message": message(number)}
            for number in range(stream, events, STREAMS)
        ]
        for begin in range(0, len(mine), PAGE):
            client("logs").put_log_events(
                logGroupName=GROUP, logStreamName=name, logEvents=mine[begin:begin + PAGE]
            )
    client("ecs").create_cluster(clusterName="quarterdeck-local")
    options = {"awslogs-group": GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "time"}
    container = {"name": "time", "image": "time", "memory": 128, "logConfiguration": {"logDriver": "awslogs", "options": options}}
    client("ecs").register_task_definition(family="time", containerDefinitions=[container])
    client("ecs").create_service(cluster="quarterdeck-local", serviceName="time", taskDefinition="time", desiredCount=0)


def endpoint_alone(endpoint, since):
    """Pages fetched one after the other; only their tokens are looked at."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "Logs_20140328.FilterLogEvents",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/logs/aws4_request",
    }
    token, pages = None, 0
    while True:
        body = {"logGroupName": GROUP, "startTime": since, "limit": PAGE, **({"nextToken": token} if token else {})}
        request = urllib.request.Request(endpoint, json.dumps(body).encode(), headers)
        answer = urllib.request.urlopen(request).read()
        pages += 1
        found = TOKEN.search(answer)
        token = found and json.loads(found.group(1))
        if not token:
            return pages


def with_boto3(client, since):
    seen = 0
    with open(os.devnull, "w") as out:
        pages = client("logs").get_paginator("filter_log_events").paginate(logGroupName=GROUP, startTime=since)
        for page in pages:
            for event in page["events"]:
                print(event["timestamp"], event["logStreamName"], event["message"], file=out)
                seen += 1
    return seen


def lines_of(command):
    """Lines that a command prints."""
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode:
        raise SystemExit(f"{command[0]}: {result.stderr.decode()[-400:]}")
    return result.stdout.count(b"\n")


def main():
    quarterdeck = sys.argv[1]
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    clients = {}
    client = lambda name: clients.setdefault(name, boto3.client(name, endpoint_url=endpoint, **keys))
    with tempfile.TemporaryDirectory() as folder:
        emulator = start(port, folder)
        try:
            put(client, events)
            since = int(time.time() * 1000) - 3_600_000
            awslogs = os.path.join(os.path.dirname(sys.executable), "awslogs")
            readers = {
                "endpoint alone": lambda: endpoint_alone(endpoint, since) and events,
                "quarterdeck": lambda: lines_of([
                    quarterdeck, "--endpoint-url", endpoint, "--region", REGION, "-e", "local",
                    "--output", "json", "logs", "time", "--since", "1h",
                ]),
                "boto3": lambda: with_boto3(client, since),
                "awslogs": lambda: lines_of([
                    awslogs, "get", GROUP, "--aws-endpoint-url", endpoint, "--aws-region", REGION, "-s", "1h",
                ]),
            }
            best = {}
            for name, read in readers.items():
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    seen = read()
                    took = time.perf_counter() - began
                    if seen != events:
                        raise SystemExit(f"{name} read {seen} of {events} events")
                    best[name] = min(best.get(name, took), took)
        finally:
            emulator.terminate()
            emulator.wait()
    print(f"{events} events, best of {ROUNDS}:")
    ours, limit = best["quarterdeck"], best["endpoint alone"]
    for name, took in best.items():
        print(f"  {name:15} {took:7.2f} s  {events / took:10,.0f} events/s  {took / ours:5.1f} x quarterdeck's time")
    print(f"  of quarterdeck's time the endpoint takes {100 * limit / ours:.0f} %")


if __name__ == "__main__":
    main()
