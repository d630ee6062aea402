"""Public MCP servers as they are published, behind gangway at two tasks each, called by clients of others.

Each client signs in as it does by itself, in each era that it speaks. The load balancer takes the tasks in turn, so
that no two requests of a client reach the same one: what a server keeps for a client is on the wrong task half of
the time. The tasks' own log lines tell which of them answered.
"""

import asyncio
import collections
import contextlib
import dataclasses
import functools
import json
import logging
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import boto3
import httpx2
from deployment import CALLBACK, outputs, server
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from test_inspector import MODULES, Inspector
from test_sdk import Storage
from wire import claims, discover

# unittest runs asyncio in its debug mode, which tells of every step that takes a while.
logging.getLogger("asyncio").setLevel(logging.ERROR)

MODERN = "2026-07-28"
ERAS = ("legacy", "modern")
# What each client calls in one go. An even number would be enough.
CALLS = 5
LIMIT = 60  # s


@dataclasses.dataclass(frozen=True)
class Public:
    """A server of servers.toml, one of its tools, and a word of the answer."""

    name: str
    tool: str
    arguments: dict
    word: str
    # Whether it says of the tool that it only reads.
    reads: bool = True


ECHO = ("echo", {"message": "hello"}, "hello")
SERVERS = (
    Public("everything", *ECHO),
    Public("everything-http", *ECHO),
    Public("files", "list_directory", {"path": "/app/node_modules/@modelcontextprotocol"}, "server-filesystem"),
    Public("official", *ECHO),
    # It says nothing of its tool, which so takes `write`.
    Public("fast", *ECHO, reads=False),
)


def lines(name: str):
    """What the tasks of a server have logged: the task, and the line."""
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=log_group(name))
    for event in (event for page in pages for event in page["events"]):
        with contextlib.suppress(ValueError):
            yield event["logStreamName"], json.loads(event["message"])


@functools.cache
def log_group(name: str) -> str:
    return outputs(name)["LogGroupName"]


def answered(name: str) -> collections.Counter:
    """How many requests with a good answer are in the log, by task and method."""
    good = ((task, line) for task, line in lines(name) if line.get("event") == "request")
    return collections.Counter((task, line.get("method")) for task, line in good if line.get("status", 500) < 300)


def setUpModule():
    """The load balancer of the local cloud asks no task for its health: it sends requests to those that still start."""
    until = time.monotonic() + 2 * LIMIT
    for public in SERVERS:
        while len({task for task, line in lines(public.name) if line.get("event") == "app_start"}) < 2:
            assert time.monotonic() < until, f"{public.name} does not start: {[*lines(public.name)][-5:]}"
            time.sleep(0.2)


@contextlib.contextmanager
def by_both_tasks(name: str, methods: tuple[str, ...], requests: int):
    """What is done within is so many requests of these methods, of which both tasks answer some."""
    before = answered(name)
    yield
    until = time.monotonic() + LIMIT
    while True:
        new = answered(name) - before
        tasks = collections.Counter()
        for (task, method), count in new.items():
            tasks[task] += count if method in methods else 0
        if tasks.total() >= requests or time.monotonic() > until:
            break
        # A line is there when the engine has passed it on.
        time.sleep(0.1)
    tasks = +tasks
    assert tasks.total() == requests and len(tasks) == 2, f"{name}: {requests} requests, by task: {dict(tasks)}, {new}"


class PythonSdk(unittest.IsolatedAsyncioTestCase):
    """The client of the official Python SDK."""

    async def call(self, public: Public, era: str, calls: list[tuple[str, dict]], fails=False) -> list[str]:
        found, storage = server(public.name), Storage()
        provider = ClientCredentialsOAuthProvider(
            found.url, storage, found.machine_client, found.machine_secret, issuer=found.issuer
        )
        texts = []
        mode = "auto" if era == "modern" else "legacy"
        async with (
            create_mcp_http_client(auth=provider) as http,
            Client(streamable_http_client(found.url, http_client=http), mode=mode) as client,
        ):
            self.assertEqual(client.protocol_version == MODERN, era == "modern", client.protocol_version)
            self.assertIn(public.tool, [tool.name for tool in (await client.list_tools()).tools])
            for tool, arguments in calls:
                result = await client.call_tool(tool, arguments)
                self.assertEqual(bool(result.is_error), fails, result)
                texts.append(result.content[0].text)
        said = claims(storage.tokens.access_token)
        self.assertEqual(said["client_id"], found.machine_client)
        return texts

    async def test_each_server_in_each_era(self):
        for public in SERVERS:
            for era in ERAS:
                with self.subTest(f"{public.name}, {era}"), by_both_tasks(public.name, ("tools/call",), CALLS):
                    texts = await self.call(public, era, [(public.tool, public.arguments)] * CALLS)
                    self.assertTrue(all(public.word in text for text in texts), texts)

    async def test_many_clients_at_once(self):
        """Their ids are the same; their answers are not."""
        for name in ("everything", "everything-http"):
            public = next(one for one in SERVERS if one.name == name)
            clients = 8
            with self.subTest(name), by_both_tasks(name, ("tools/call",), clients * CALLS):
                words = [[f"{client}-{call}" for call in range(CALLS)] for client in range(clients)]
                calls = (
                    self.call(public, ERAS[nth % 2], [("echo", {"message": word}) for word in of])
                    for nth, of in enumerate(words)
                )
                answers = await asyncio.gather(*calls)
                self.assertEqual(answers, [[f"Echo: {word}" for word in of] for of in words])

    async def test_a_folder_of_the_file_is_written_to_and_no_other(self):
        """With `write`, which the client is told to ask for."""
        files = next(public for public in SERVERS if public.name == "files")
        write = ("write_file", {"path": "/data/hello.txt", "content": "hello"})
        # Once on each task: a folder is a task's own.
        calls = [write, write, ("list_directory", {"path": "/data"})]
        *written, listed = await self.call(files, "modern", calls)
        self.assertTrue(all("Successfully wrote" in text for text in written), written)
        self.assertIn("hello.txt", listed)
        elsewhere = ("write_file", {"path": "/app/hello.txt", "content": "hello"})
        refused = (await self.call(files, "modern", [elsewhere], fails=True))[0]
        self.assertRegex(refused, "EACCES|EROFS")


class TypeScriptSdk(unittest.TestCase):
    """The client of the official TypeScript SDK, in both of its major versions."""

    # Major version, and the eras that it speaks.
    SDKS = ((1, ("legacy",)), (2, ERAS))

    def call(self, public: Public, sdk: int, era: str) -> dict:
        found = server(public.name)
        asked = {
            "sdk": sdk,
            "era": era,
            "url": found.url,
            "issuer": found.issuer,
            "client": found.machine_client,
            "secret": found.machine_secret,
            "tool": public.tool,
            "arguments": public.arguments,
            "calls": CALLS,
        }
        script = Path(__file__).with_name("calls.cjs")
        done = subprocess.run(
            [MODULES / ".bin/node", script],
            env={"PATH": os.environ["PATH"], "NODE_PATH": str(MODULES)},
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_each_server_in_each_era(self):
        for public in SERVERS:
            for sdk, eras in self.SDKS:
                for era in eras:
                    with (
                        self.subTest(f"{public.name}, version {sdk}, {era}"),
                        by_both_tasks(public.name, ("tools/call",), CALLS),
                    ):
                        told = self.call(public, sdk, era)
                        self.assertEqual(told["version"] == MODERN, era == "modern", told)
                        self.assertIsNone(told["session"])
                        self.assertIn(public.tool, told["tools"])
                        self.assertEqual(len(told["texts"]), CALLS)
                        self.assertTrue(all(public.word in text for text in told["texts"]), told["texts"])
                        # It had no token at first. The first version asks for no scope, and so gets them all;
                        # the second gets `read`, and one token more for a tool that takes `write`.
                        self.assertEqual(told["statuses"][0], 401)
                        self.assertEqual(403 in told["statuses"], sdk == 2 and not public.reads, told["statuses"])


class TheInspector(unittest.TestCase):
    """The command line of the MCP Inspector."""

    def setUp(self):
        home = tempfile.TemporaryDirectory(prefix="qd-inspector")
        self.addCleanup(home.cleanup)
        self.inspector = Inspector(home.name)

    def call(self, public: Public) -> list[str]:
        arguments = [f"{name}={value}" for name, value in public.arguments.items()]
        return ["--method", "tools/call", "--tool-name", public.tool, "--tool-arg", *arguments]

    def test_each_server_in_each_era(self):
        """A machine, which brings its token."""
        for public in SERVERS:
            config = self.config(public)
            for era in ERAS:
                which = ("--config", str(config), "--server", public.name, "--protocol-era", era)
                # A run is a connection of its own: its call is on another task than what came before it.
                opens = "server/discover" if era == "modern" else "initialize"
                with self.subTest(f"{public.name}, {era}"), by_both_tasks(public.name, (opens, "tools/call"), 4):
                    for _ in range(2):
                        done = self.inspector.run(*which, *self.call(public))
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assertIn(public.word, done.stdout)

    def config(self, public: Public) -> Path:
        found = server(public.name)
        _, endpoints = discover(found)
        form = {"grant_type": "client_credentials", "scope": f"{found.read} {found.write}"}
        auth = (found.machine_client, found.machine_secret)
        token = httpx2.post(endpoints["token_endpoint"], data=form, auth=auth).json()["access_token"]
        entry = {"type": "streamable-http", "url": found.url, "headers": {"Authorization": f"Bearer {token}"}}
        config = self.inspector.home / f"{public.name}.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({"mcpServers": {public.name: entry}}))
        return config

    def test_a_person_signs_in_to_each(self):
        for public in (public for public in SERVERS if public.reads):
            with self.subTest(public.name):
                found = server(public.name)
                client = ("--client-id", found.user_client, "--callback-url", CALLBACK)
                target = (found.url, "--transport", "http", *client)
                code, output, shown = self.inspector.run_with_person(*target, *self.call(public))
                self.assertEqual(code, 0, shown + output)
                self.assertIn(public.word, output)


if __name__ == "__main__":
    unittest.main()
