"""A server on the official Python SDK, as its README has one."""

import os
import sys

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

server = FastMCP("official", port=int(os.environ.get("PORT", "0")))


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def echo(message: str) -> str:
    """Says what it is told."""
    return message


server.run(transport="streamable-http" if sys.argv[1:] == ["http"] else "stdio")
