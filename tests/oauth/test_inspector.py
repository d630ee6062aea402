"""The MCP Inspector's command line, as a person at a terminal uses it, and as a machine does."""

import contextlib
import json
import os
import pty
import re
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import httpx2
from browser import parameters, sign_in
from deployment import CALLBACK, person, server
from wire import discover, machine_token

MODULES = Path(os.environ["QUARTERDECK_INSPECTOR"]) / "node_modules"
COMMAND = [MODULES / ".bin/node", MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli"]
CALL = ["--method", "tools/call", "--tool-name", "get_current_time", "--tool-arg", "timezone=Europe/Paris"]
LIMIT = 120  # s


class Inspector:
    """The Inspector with a home of its own: what it keeps is gone afterwards."""

    def __init__(self, home: str):
        self.home = Path(home)
        names = ("PATH", "LANG")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        self.environment = kept | {
            "HOME": home,
            "NO_COLOR": "1",
            # It prints the address to sign in at, and opens no browser.
            "MCP_AUTO_OPEN_ENABLED": "false",
            # Tests have no keychain.
            "MCP_INSPECTOR_SECRET_STORE": "file",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Without a terminal."""
        command = [*COMMAND, *arguments, "--format", "json"]
        return subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT
        )

    def run_with_person(self, *arguments: str) -> tuple[int, str, str]:
        """At a terminal, where a person signs in when asked to; exit code, output, what the terminal showed."""
        ours, theirs = pty.openpty()
        command = [*COMMAND, *arguments, "--format", "json"]
        process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True
        )
        os.close(theirs)
        guard = threading.Timer(LIMIT, process.kill)
        guard.start()
        with process:
            shown = ""
            try:
                # At the end of the other side, Linux says EIO.
                with contextlib.suppress(OSError), open(ours, encoding="utf-8", errors="replace") as terminal:
                    for line in terminal:
                        shown += line
                        if found := re.search(r"navigate to: (http\S+)", line):
                            self.asked = found[1]
                            httpx2.get(sign_in(found[1], person()))
                output = process.stdout.read()
                return process.wait(), output, shown
            finally:
                guard.cancel()
                process.kill()


class Authorization(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory(prefix="qd-inspector")
        self.addCleanup(home.cleanup)
        self.inspector = Inspector(home.name)
        self.server = server("time")

    def target(self, *more):
        return self.server.url, "--transport", "http", *more

    def test_a_person_signs_in_and_calls_a_tool(self):
        client = ("--client-id", self.server.user_client, "--callback-url", CALLBACK)
        code, output, shown = self.inspector.run_with_person(*self.target(*client), *CALL)
        self.assertEqual(code, 0, shown + output)
        self.assertIn("Europe/Paris", output)
        asked = parameters(self.inspector.asked)
        self.assertEqual(asked["code_challenge_method"], "S256")
        self.assertEqual(asked["resource"], self.server.url)
        # It kept the token: the next call needs nobody.
        done = self.inspector.run(*self.target(*client, "--stored-auth-only"), "--method", "tools/list")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("get_current_time", done.stdout)

    def test_a_machine_brings_its_token(self):
        """It knows no client credentials: the token goes into its file, and so into no list of processes."""
        _, endpoints = discover(self.server)
        token = machine_token(self.server, endpoints).json()["access_token"]
        entry = {
            "type": "streamable-http",
            "url": self.server.url,
            "headers": {"Authorization": f"Bearer {token}"},
        }
        config = self.inspector.home / "servers.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({"mcpServers": {"time": entry}}))
        for era in ("modern", "legacy"):
            with self.subTest(era):
                which = ("--config", str(config), "--server", "time", "--protocol-era", era)
                done = self.inspector.run(*which, "--method", "tools/list")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("get_current_time", done.stdout)
                done = self.inspector.run(*which, *CALL)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("Europe/Paris", done.stdout)

    def test_without_a_token_it_is_told_to_sign_in(self):
        done = self.inspector.run(*self.target("--stored-auth-only"), "--method", "tools/list")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("auth_required", done.stderr)


if __name__ == "__main__":
    unittest.main()
