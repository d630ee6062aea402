"""A server on fastmcp, as its README has one."""

import os
import sys

from fastmcp import FastMCP

server = FastMCP("fast")


@server.tool
def echo(message: str) -> str:
    """Says what it is told."""
    return message


if sys.argv[1:] == ["http"]:
    server.run(transport="http", port=int(os.environ["PORT"]))
else:
    server.run()
