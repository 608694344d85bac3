"""An MCP server on standard input and output that behaves as its first argument says. Standard library only."""
import json
import os
import signal
import sys
import threading
import time

mode = sys.argv[1] if len(sys.argv) > 1 else "normal"
sys.stdout.reconfigure(encoding="utf-8")
lock = threading.Lock()
tools = ["echo", "late", "die", "garbage", "broken", "long", "never", "change", "fail", "refuse", "rich", "big", "where", "ping_me"]
heard = []  # what came that needs no answer, for the tool "heard"
pinged = threading.Event()


def say(message):
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def text(*blocks, **more):
    return {"content": [{"type": "text", "text": block} for block in blocks], **more}


def tool(name):
    return {"name": name, "description": f"does {name}", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}


def listed(params):
    if mode == "restless" and "fresh" not in tools:  # the list changes while it is being read
        say({"method": "notifications/tools/list_changed"})
        former = [tool(name) for name in tools]
        tools.append("fresh")
        return {"tools": former}
    if mode != "pages":
        return {"tools": [tool(name) for name in tools]}
    at = int(params.get("cursor", "0"))
    return {"tools": [tool(f"page{at}")], **({"nextCursor": str(at + 1)} if at < 4 else {})}


def call(name, arguments):
    """The result of a call; None when there is no answer."""
    if name == "late":
        time.sleep(0.3)
    if name == "die":
        os._exit(7)
    if name == "garbage":
        with lock:
            sys.stdout.write("Loading model... 100%\n{\"half\": \n[1,2,3]\n\n")
    if name == "long":
        with lock:
            sys.stdout.write("x" * 10_000_000 + "\n")
            sys.stdout.flush()
        return None
    if name == "never":
        return None
    if name == "change":
        tools.append("fresh")
        say({"method": "notifications/tools/list_changed"})
    if name == "fail":
        return text("the disk is full", isError=True)
    if name == "rich":
        return {"content": [{"type": "text", "text": "first"}, {"type": "image", "mimeType": "image/png", "data": "QUJD" * 100},
                            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "inside"}},
                            {"type": "resource_link", "uri": "file:///b", "name": "b"}, {"type": "hologram"}]}
    if name == "big":
        return text("\u00e9" * 250_000)
    if name == "where":
        return text(json.dumps({"cwd": os.getcwd(), "own": os.environ.get("OWN"), "file": os.environ.get("FROM_FILE"), "keys": [os.environ.get("AGENT_PEER_KEY"), os.environ.get("AGENT_API_KEY")],
                                "leader": os.getpid() == os.getpgrp(), "fds": len(os.listdir("/proc/self/fd"))}))
    if name == "ping_me":
        say({"id": "from-server", "method": "ping"})
        say({"id": 99, "method": "roots/list"})
        pinged.wait(5)
    if name == "heard":
        return text(json.dumps(heard))
    return text(arguments.get("text", name))


def answer(message):
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        version = {"old": "2024-11-05", "alien": "1999-01-01"}.get(mode, params["protocolVersion"])
        return {"protocolVersion": version, "capabilities": {"tools": {"listChanged": True}}, "serverInfo": {"name": "stand-in", "version": "1"}}
    if method == "tools/list":
        return listed(params)
    if method == "ping":
        return {}
    return call(params["name"], params.get("arguments", {}))


def serve(message):
    if message.get("params", {}).get("name") == "refuse":
        say({"id": message["id"], "error": {"code": -32602, "message": "unknown tool: refuse"}})
        return
    if message.get("params", {}).get("name") == "broken":
        with lock:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": text("secret")})[:-2] + "\n")
            sys.stdout.flush()
        return
    result = answer(message)
    if result is not None:
        say({"id": message["id"], "result": result})


if mode == "exit":
    print("no licence found", file=sys.stderr)
    sys.exit(3)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "heard":
    tools.append("heard")
deaf = False
for line in sys.stdin:
    one = json.loads(line)
    if mode == "mute" or deaf:
        continue
    if "method" not in one:
        heard.append(one)
        if one.get("id") == 99:
            pinged.set()
    elif "id" not in one:
        heard.append(one)
    else:
        deaf = mode == "deaf" and one["method"] == "tools/call"
        threading.Thread(target=serve, args=(one,), daemon=True).start()
if mode == "stubborn":
    while True:
        time.sleep(60)
