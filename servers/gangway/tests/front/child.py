"""A server that knows nothing of gangway: MCP on standard streams or over HTTP, in either era.

Usage: child.py stdio|http [PORT] [FLAG...]. Each flag is a way to misbehave.
"""

import json
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODERN = "2026-07-28"
FLAGS = set(sys.argv[2:])
READ = {"annotations": {"readOnlyHint": True}}
TOOLS = [
    {"name": "echo", "inputSchema": {"type": "object"}, "future": 1.50, **READ},
    {
        "name": "routed",
        "inputSchema": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
        **READ,
    },
    {"name": "seen", "inputSchema": {"type": "object"}, **READ},
    {"name": "wait", "inputSchema": {"type": "object"}, **READ},
    {"name": "progress", "inputSchema": {"type": "object"}, **READ},
    {"name": "ask", "inputSchema": {"type": "object"}, **READ},
    {"name": "big", "inputSchema": {"type": "object"}, **READ},
    {"name": "noise", "inputSchema": {"type": "object"}, **READ},
    {"name": "fork", "inputSchema": {"type": "object"}, **READ},
    {"name": "daemon", "inputSchema": {"type": "object"}, **READ},
    {"name": "odd", "inputSchema": {"type": "object"}, **READ},
    {"name": "eat", "inputSchema": {"type": "object"}, **READ},
    {"name": "die", "inputSchema": {"type": "object"}, **READ},
    {"name": "remember", "inputSchema": {"type": "object"}, **READ},
    {"name": "raw_sql", "inputSchema": {"type": "object"}, **READ},
    {"name": "write_it", "inputSchema": {"type": "object"}},
]
INITIALIZED = threading.Event()
STATE = {"calls": 0, "cancelled": [], "sessions": 0, "answers": [], "ended": []}
# What each session was told to remember.
REMEMBERED = {}


def log(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def text_result(value):
    return {"content": [{"type": "text", "text": json.dumps(value)}], "futureMember": 1.0}


def cancelled(request_id):
    return request_id in STATE["cancelled"]


def call_tool(request, notify, ask, context):
    """The result of a tool, or None if the call was cancelled."""
    params = request.get("params", {})
    name, arguments = params.get("name"), params.get("arguments", {})
    STATE["calls"] += 1
    if name in ("echo", "routed"):
        return text_result({"arguments": arguments, "id": request["id"], "context": context.get("headers"), "pid": os.getpid()})
    if name == "seen":
        return text_result(
            {
                "environment": dict(os.environ),
                "state": STATE,
                "pid": os.getpid(),
                "files": len(os.listdir("/proc/self/fd")),
                "meta": params.get("_meta"),
                "argv": sys.argv,
                "threads": threading.active_count(),
            }
        )
    if name == "remember":
        session = (context.get("headers") or {}).get("mcp-session-id")
        told = REMEMBERED.setdefault(session, [])
        told.append(arguments["what"])
        return text_result({"told": told, "session": session, "pid": os.getpid(), "state": STATE})
    if name == "wait":
        log("waiting")
        while not cancelled(request["id"]):
            time.sleep(0.01)
            context["beat"]()
        return None
    if name == "progress":
        token = params.get("_meta", {}).get("progressToken")
        for step in range(3):
            notify({"method": "notifications/progress", "params": {"progressToken": token, "progress": step}})
        while arguments.get("for ever") and not cancelled(request["id"]):
            time.sleep(0.01)
        return text_result("done")
    if name == "ask":
        return text_result(ask({"method": "sampling/createMessage", "params": {}}))
    if name == "big":
        return text_result("x" * int(arguments["bytes"]))
    if name == "noise":
        for _ in range(int(arguments["lines"])):
            sys.stdout.write(arguments["line"] + "\n")
        sys.stdout.flush()
        return text_result("done")
    if name == "fork":
        # Each in a session of its own, so that no signal for the group reaches it, and each the parent of the next.
        code = (
            "import os, time\n"
            "for _ in range(3):\n"
            "    print(os.getpid(), flush=True)\n"
            "    if os.fork():\n"
            "        break\n"
            "    os.setsid()\n"
            "time.sleep(600)"
        )
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True, text=True)
        return text_result([int(child.stdout.readline()) for _ in range(3)])
    if name == "daemon":
        # Its parent ends at once.
        code = (
            "import os, time\n"
            "if os.fork():\n"
            "    os._exit(0)\n"
            "os.setsid()\n"
            "print(os.getpid(), flush=True)\n"
            "time.sleep(600)"
        )
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        child.wait()
        return text_result(int(child.stdout.readline()))
    if name == "eat":
        # As a server that leaks: as much as it gets.
        resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
        log("eating")
        eaten = []
        try:
            while True:
                eaten.append(bytearray(8 << 20))
        except MemoryError:
            os.kill(os.getpid(), signal.SIGKILL)
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"content": [{"type": "text", "text": "no such tool"}], "isError": True}


def answer(request, notify, ask, context):
    """The answer to a request, or None if there is none."""
    method, modern = request["method"], "modern" in FLAGS
    result = None
    if method == "initialize":
        INITIALIZED.set()
    elif method == "server/discover" and "late" in FLAGS:
        # As one that starts slowly: everything that it was sent is there when it begins to read.
        INITIALIZED.wait()
    if method == "server/discover" and modern:
        result = {
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {"listChanged": True}},
            "cacheScope": "public",
            "ttlMs": 1000,
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "child", "version": "1"}},
        }
    elif method == "initialize" and not modern:
        result = {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": True}, "logging": {}},
            "serverInfo": {"name": "child", "version": "1"},
        }
    elif method == "resources/read" and not modern:
        error = {"code": -32002, "message": "Resource not found", "data": {"uri": "x://y"}}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}
    elif method == "tools/list":
        result = {"tools": TOOLS, "futureMember": 1.0}
    elif method == "tools/call":
        if modern and "io.modelcontextprotocol/protocolVersion" not in request["params"].get("_meta", {}):
            return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32602, "message": "no version"}}
        result = call_tool(request, notify, ask, context)
        if result is None:
            return None
    if result is None:
        return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "Method not found: " + method}}
    if modern:
        result = {"resultType": "complete", **result}
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


ASKED = {}

# What is no answer of the protocol, with the id of the request where there is one.
NO_ANSWERS = {
    "nothing in it": '{"jsonrpc":"2.0","id":%d}',
    "no object": '["%d"]',
    "a list": '[{"jsonrpc":"2.0","id":%d,"result":{}}]',
    "cut off": '{"jsonrpc":"2.0","id":%d,"result":{"content":[',
    "no text": '\xff\xfe %d',
    "twice the same": '{"jsonrpc":"2.0","id":%d,"id":%d,"result":{}}',
    "a number as result": '{"jsonrpc":"2.0","id":%d,"result":1}',
}


def no_answer(kind, request_id):
    text = NO_ANSWERS[kind]
    return (text % ((request_id,) * text.count("%d"))).encode("latin-1")



def take(message):
    """What is no request."""
    if message.get("method") == "notifications/cancelled":
        STATE["cancelled"].append(message["params"]["requestId"])
        log("cancelled")
    elif "method" not in message:
        STATE["answers"].append(message)
        ASKED[message["id"]].put(message)


def serve_stdio():
    lock = threading.Lock()

    def write(message):
        with lock:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()

    def ask(message):
        name = "asked-%d" % STATE["calls"]
        ASKED[name] = queue.Queue()
        write({"jsonrpc": "2.0", "id": name, **message})
        return ASKED[name].get()

    def work(request):
        if request.get("params", {}).get("name") == "odd":
            with lock:
                sys.stdout.buffer.write(no_answer(request["params"]["arguments"]["kind"], request["id"]) + b"\n")
                sys.stdout.buffer.flush()
            return
        done = answer(request, lambda notice: write({"jsonrpc": "2.0", **notice}), ask, {"beat": lambda: None})
        if done is not None:
            write(done)

    for line in sys.stdin:
        message = json.loads(line)
        if "mute" in FLAGS:
            continue
        if "id" in message and "method" in message:
            threading.Thread(target=work, args=(message,), daemon=True).start()
        else:
            take(message)
    log("standard input ended")
    while "stubborn" in FLAGS:
        time.sleep(0.05)


def flood(stream, text):
    while True:
        os.write(stream, text)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, message):
        data = b"event: message\nid: 7\ndata: " + json.dumps(message).encode() + b"\n\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def beat(self):
        # Fails when the other side has hung up.
        self.wfile.write(b"4\r\n: \n\n\r\n")

    def odd(self, kind, request_id):
        """What is no answer of HTTP, or of MCP over it."""
        answer = b'{"jsonrpc":"2.0","id":%d,"result":{}}' % request_id
        json_type = ("Content-Type", "application/json")
        write = self.wfile.write
        if kind == "no HTTP":
            write(b"hello\r\n")
        elif kind == "hangs up":
            pass
        elif kind == "cut off by the end":
            write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n" + answer)
        elif kind == "a broken chunk":
            write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
        elif kind == "headers without end":
            for _ in range(10_000):
                write(b"X-Header: " + b"x" * 1000 + b"\r\n")
        elif kind == "a page":
            self.reply(200, b"<html>", [("Content-Type", "text/html")])
        elif kind == "elsewhere":
            self.reply(307, b"", [("Location", "http://169.254.169.254/latest/meta-data/")])
        elif kind == "sign in":
            self.reply(401, b"{}", [json_type, ("WWW-Authenticate", 'Bearer resource_metadata="https://evil.example"')])
        elif kind == "an empty stream":
            self.reply(200, b"", [("Content-Type", "text/event-stream")])
        elif kind == "a stream of nonsense":
            self.reply(200, b"data: nonsense\n\n", [("Content-Type", "text/event-stream")])
        elif kind == "a line without end":
            write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
            for _ in range(200):
                write(b"x" * (1 << 20))
        else:
            self.reply(200, no_answer(kind, request_id), [json_type])

    def do_DELETE(self):
        STATE["ended"].append(self.headers["Mcp-Session-Id"])
        self.reply(200)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = json.loads(body)
        if "mute" in FLAGS:
            return time.sleep(600)
        if self.headers["Host"] != "localhost:%s" % sys.argv[2] or self.path != "/mcp":
            return self.reply(421)
        if "modern" in FLAGS:
            named = self.headers["Mcp-Method"] == message["method"]
            if not named or self.headers["MCP-Protocol-Version"] != MODERN:
                return self.reply(400)
        elif message.get("method") == "initialize":
            if "refuses" in FLAGS and STATE["sessions"]:
                return self.reply(503)
            STATE["sessions"] += 1
        elif "many" in FLAGS:
            if self.headers["Mcp-Session-Id"] in STATE["ended"]:
                return self.reply(404)
        elif self.headers["Mcp-Session-Id"] != "session-%d" % STATE["sessions"]:
            return self.reply(404 if STATE["sessions"] else 400)
        if "id" not in message or "method" not in message:
            take(message)
            return self.reply(202)
        if message.get("params", {}).get("name") == "odd":
            self.close_connection = True
            return self.odd(message["params"]["arguments"]["kind"], message["id"])
        has_session = message["method"] == "initialize" and "alone" not in FLAGS
        headers = [("Mcp-Session-Id", "session-%d" % STATE["sessions"])] if has_session else []
        context = {"headers": {name.lower(): value for name, value in self.headers.items()}, "beat": self.beat}
        if message["method"] != "tools/call" or message["params"]["name"] in ("echo", "routed", "seen", "remember"):
            done = answer(message, None, None, context)
            if message["method"] == "tools/call" and message["params"].get("arguments", {}).get("forget"):
                STATE["sessions"] += 1
            return self.reply(200, json.dumps(done).encode(), [*headers, ("Content-Type", "application/json")])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        def ask(question):
            name = "asked-%d" % STATE["calls"]
            ASKED[name] = queue.Queue()
            self.chunk({"jsonrpc": "2.0", "id": name, **question})
            return ASKED[name].get()

        done = answer(message, lambda notice: self.chunk({"jsonrpc": "2.0", **notice}), ask, context)
        if done is not None:
            self.chunk(done)
        self.wfile.write(b"0\r\n\r\n")


def main():
    if "stubborn" in FLAGS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "ends" in FLAGS:
        sys.exit(3)
    if "floods" in FLAGS:
        for stream in (1, 2):
            # Lines on the one; a line without an end on the other.
            threading.Thread(target=flood, args=(stream, b"x" * 4095 + (b"\n" if stream == 1 else b"")), daemon=True).start()
    if "tells" in FLAGS:
        log("the secret is " + os.environ["API_KEY"])
    log("child started with pid %d" % os.getpid())
    if sys.argv[1] == "stdio":
        serve_stdio()
    else:
        server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
        server.request_queue_size = 128
        server.serve_forever()


main()
