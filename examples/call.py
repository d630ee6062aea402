#!/usr/bin/env python3
"""Calls a tool of an MCP server with the official Python client.

    pip install mcp==2.3.0
    quarterdeck clients token CLIENT | call.py URL
    aws secretsmanager get-secret-value --secret-id quarterdeck/ENV/SERVER/machine-client \\
        --query SecretString --output text | call.py URL

URL is the server's endpoint (it ends in /mcp). On standard input, so that it is in no list of
processes and in no shell's history, comes a token; or a machine client's secret, with which the
client gets its tokens itself, from where the server's metadata says.
"""

import asyncio
import json
import sys

from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

# A tool of each example server, and arguments for it. Another server's tools are listed only.
CALLS = {
    "get_current_time": {"timezone": "Europe/Paris"},
    "get_alerts": {"state": "CO"},
}


class Memory:
    """Keeps the tokens until the end of the program."""

    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens


def authorised(url: str, given: str):
    """An HTTP client with the token given, or one that gets its own."""
    if not given.startswith("{"):
        return create_mcp_http_client(headers={"Authorization": f"Bearer {given}"})
    machine = json.loads(given)
    # The secret is sent nowhere else, whatever the server says.
    issuer = url.removesuffix("/mcp")
    return create_mcp_http_client(
        auth=ClientCredentialsOAuthProvider(
            url, Memory(), machine["client_id"], machine["client_secret"], issuer=issuer
        )
    )


async def call(url: str, given: str) -> bool:
    """Lists the server's tools and calls one; whether that went well."""
    http = authorised(url, given)
    async with http, Client(streamable_http_client(url, http_client=http)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        print(f"MCP {client.protocol_version}, tools: {', '.join(tools)}")
        for name in CALLS.keys() & tools:
            result = await client.call_tool(name, CALLS[name])
            print(f"{name}: {result.content[0].text}")
            return not result.is_error
    return True


def main() -> int:
    if len(sys.argv) != 2 or sys.stdin.isatty():
        print(__doc__, file=sys.stderr)
        return 2
    return 0 if asyncio.run(call(sys.argv[1], sys.stdin.read().strip())) else 1


if __name__ == "__main__":
    sys.exit(main())
