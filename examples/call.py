#!/usr/bin/env python3
"""Calls a tool of an MCP server with the official Python client.

    pip install mcp==2.3.0
    quarterdeck clients token CLIENT | call.py URL

URL is the server's endpoint (it ends in /mcp). The token comes on standard input, so
that it is in no list of processes and in no shell's history.
"""

import asyncio
import sys

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

# A tool of each example server, and arguments for it. Another server's tools are listed only.
CALLS = {
    "get_current_time": {"timezone": "Europe/Paris"},
    "get_alerts": {"state": "CO"},
}


async def call(url: str, token: str) -> bool:
    """Lists the server's tools and calls one; whether that went well."""
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {token}"})
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
