"""An MCP server on standard input and output that knows nothing of HTTP, of tokens and of gangway.

It is in the local cloud to show how such a server runs there. It needs Python and no packages.
"""

import json
import sys

VERSION = "2025-11-25"
# What one of each unit is in the first of its kind.
KINDS = {
    "length": {"metre": 1, "kilometre": 1000, "mile": 1609.344, "foot": 0.3048, "nautical mile": 1852},
    "mass": {"kilogram": 1, "gram": 0.001, "pound": 0.45359237, "ounce": 0.028349523125},
    "time": {"second": 1, "minute": 60, "hour": 3600, "day": 86400},
    "data": {"byte": 1, "kilobyte": 1000, "kibibyte": 1024, "megabyte": 1000000, "mebibyte": 1048576},
}
UNIT = {"type": "string", "description": "Such as those that list_units names"}
TOOLS = [
    {
        "name": "convert_units",
        "description": "Converts a value from one unit to another of the same kind.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "value": {"type": "number", "default": 26.2},
                "from": {**UNIT, "examples": ["mile"]},
                "to": {**UNIT, "examples": ["kilometre"]},
            },
            "required": ["value", "from", "to"],
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "list_units",
        "description": "Names the units of a kind.",
        "inputSchema": {
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": sorted(KINDS)}},
            "required": ["kind"],
        },
        "annotations": {"readOnlyHint": True},
    },
]


class Wrong(Exception):
    """What the caller asked for cannot be done."""


def text(arguments, name):
    value = arguments.get(name)
    if not isinstance(value, str):
        raise Wrong(f"{name} must be text")
    return value


def convert_units(arguments):
    value, begin, end = arguments.get("value"), text(arguments, "from"), text(arguments, "to")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Wrong("value must be a number")
    for units in KINDS.values():
        if begin in units and end in units:
            return f"{value} {begin} = {value * units[begin] / units[end]:.6g} {end}"
    raise Wrong(f"{begin!r} and {end!r} are not two units of one kind; list_units names them")


def list_units(arguments):
    kind = text(arguments, "kind")
    if kind not in KINDS:
        raise Wrong(f"{kind!r} is none of {', '.join(sorted(KINDS))}")
    return ", ".join(KINDS[kind])


def call(params):
    tool = {"convert_units": convert_units, "list_units": list_units}.get(params.get("name"))
    if tool is None:
        return None
    arguments = params.get("arguments")
    try:
        said, failed = tool(arguments if isinstance(arguments, dict) else {}), False
    except Wrong as problem:
        said, failed = str(problem), True
    return {"content": [{"type": "text", "text": said}], "isError": failed}


def answer(message):
    """The answer to a message, None if there is none."""
    number, params = message.get("id"), message.get("params") or {}
    if number is None:
        return None
    method, result, error = message.get("method"), None, None
    if method == "initialize":
        info = {"name": "units", "version": "1"}
        result = {"protocolVersion": VERSION, "capabilities": {"tools": {}}, "serverInfo": info}
    elif method == "ping":
        result = {}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif method == "tools/call":
        result = call(params)
        error = {"code": -32602, "message": "Unknown tool"}
    else:
        error = {"code": -32601, "message": "Method not found"}
    reply = {"jsonrpc": "2.0", "id": number}
    return {**reply, "error": error} if result is None else {**reply, "result": result}


def main():
    print("units: ready", file=sys.stderr, flush=True)
    for line in sys.stdin:
        reply = answer(json.loads(line))
        if reply is not None:
            print(json.dumps(reply), flush=True)


main()
