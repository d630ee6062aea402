"""launch.py PORT ADDRESS...: serves ministack on exactly these addresses.

ministack's own command takes one address; containers need one more than the loopback, and every
interface would be too many. The second may belong to a bridge that the engine makes only when its
first container starts, so it is bound before it exists.
"""

import asyncio
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
from ministack.core import container_reaper
from ministack.services import ecs
from ministack.services.cloudformation import provisioners

IP_FREEBIND = 15  # Linux, ip(7); Python 3.11 has no name for it.


def listen(address, port):
    """A socket that listens there, whether or not the address exists yet."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
    sock.bind((address, port))
    return sock


def ours_alone(reap_all):
    """At start ministack would also remove containers that carry nobody's name."""

    def reap(client, stop_timeout=2, include_unlabelled=False):
        return reap_all(client, stop_timeout)

    return reap


def with_numbers(operation):
    """Its CloudFormation passes a parameter of type Number on as text; its ECS counts with it."""

    def call(data):
        if isinstance(data.get("desiredCount"), str):
            data["desiredCount"] = int(data["desiredCount"])
        return operation(data)

    return call


def with_secrets(normalize):
    """Its CloudFormation hands containers' secrets to its ECS in the wrong case, which then sees none."""

    def call(definitions):
        containers = normalize(definitions)
        for container in containers:
            secrets = container.get("secrets") or []
            container["secrets"] = [{key[:1].lower() + key[1:]: value for key, value in one.items()} for one in secrets]
        return containers

    return call


def with_replacement(stop_task):
    """It replaces a task that ends by itself, but not one that StopTask ended; ECS replaces both."""

    def call(data):
        answer = stop_task(data)
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        task = cluster and ecs._resolve_task(data.get("task", ""), cluster)
        group = (task or {}).get("group", "")
        if group.startswith("service:"):
            ecs._reconcile_service_tasks(cluster, f"{cluster}/{group.removeprefix('service:')}")
        return answer

    return call


def main():
    port, addresses = int(sys.argv[1]), sys.argv[2:]
    container_reaper.reap_all = ours_alone(container_reaper.reap_all)
    ecs._create_service = with_numbers(ecs._create_service)
    ecs._update_service = with_numbers(ecs._update_service)
    ecs._ACTION_MAP["StopTask"] = with_replacement(ecs._ACTION_MAP["StopTask"])
    provisioners._normalize_container_defs = with_secrets(provisioners._normalize_container_defs)
    sockets = [listen(address, port) for address in addresses]
    config = Config()
    config.bind = [f"fd://{sock.fileno()}" for sock in sockets]
    config.keep_alive_timeout = 75
    config.accesslog = None
    asyncio.run(serve(app, config))


main()
