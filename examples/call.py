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
import re
import sys

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


class Unusable(Exception):
    """What came on standard input is of no use. The message does not repeat it: it may be a secret."""


def understood(given: str):
    """The token, as text, or the machine client's id and secret."""
    if not given:
        raise Unusable(
            "there is no token on standard input; the command before the pipe says why on its standard error"
        )
    if not given.startswith("{"):
        # The characters of RFC 6750, section 2.1.
        if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", given):
            raise Unusable("what is on standard input is no token, and no JSON of a machine client's secret")
        return given
    try:
        machine = json.loads(given)
    except json.JSONDecodeError as error:
        raise Unusable(f"the JSON on standard input is broken in line {error.lineno}: {error.msg}") from None
    for name in ("client_id", "client_secret"):
        if not isinstance(machine.get(name), str):
            raise Unusable(f"the JSON on standard input has no {name}; is it a machine client's secret?")
    return machine["client_id"], machine["client_secret"]


def authorised(url: str, credentials):
    """An HTTP client with the token given, or one that gets its own."""
    from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
    from mcp.client.streamable_http import create_mcp_http_client

    if isinstance(credentials, str):
        return create_mcp_http_client(headers={"Authorization": f"Bearer {credentials}"})
    client_id, client_secret = credentials
    # The secret is sent nowhere else, whatever the server says.
    issuer = url.removesuffix("/mcp")
    return create_mcp_http_client(
        auth=ClientCredentialsOAuthProvider(
            url, Memory(), client_id, client_secret, issuer=issuer
        )
    )


async def call(url: str, credentials) -> bool:
    """Lists the server's tools and calls one; whether that went well."""
    # Imported late, so that what is wrong with the input is said first.
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    http = authorised(url, credentials)
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
    try:
        credentials = understood(sys.stdin.read().strip())
    except Unusable as unusable:
        print(f"call.py: {unusable}", file=sys.stderr)
        return 2
    return 0 if asyncio.run(call(sys.argv[1], credentials)) else 1


if __name__ == "__main__":
    sys.exit(main())
