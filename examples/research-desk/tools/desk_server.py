"""An MCP server in the standard library alone: one JSON-RPC message a line on standard input and output. Usage: desk_server.py library DIRECTORY, or
desk_server.py numbers. Standard error is for people: it goes to the log of the agent."""
import json
import os
import pathlib
import re
import sys

VERSIONS = ("2025-06-18", "2025-03-26", "2024-11-05")


class ToolError(Exception):
    """What the model is told when a tool cannot do what it asks."""


def search(arguments):
    words = arguments["words"].lower().split()
    found = [path.stem for path in sorted(NOTES.glob("*.txt")) if any(word in path.read_text(encoding="utf-8").lower() for word in words)]
    return "notes that have these words: " + (", ".join(found) or "none")


def read(arguments):
    known = {path.stem: path for path in NOTES.glob("*.txt")}  # never a path from outside
    if arguments["note"] not in known:
        raise ToolError(f"there is no note '{arguments['note']}'; there are: {', '.join(sorted(known))}")
    return known[arguments["note"]].read_text(encoding="utf-8").strip()


def add_up(arguments):
    numbers = [float(word) for word in re.findall(r"\b\d{1,3}(?:\.\d+)?\b", arguments["text"])]
    if not numbers:
        raise ToolError("there are no numbers in the text")
    digits = int(os.environ.get("DIGITS", "2"))
    return f"{len(numbers)} numbers, together {sum(numbers):.{digits}f}, on average {sum(numbers) / len(numbers):.{digits}f}"


# kind: {tool: (description, parameters, function)}
TOOLS = {
    "library": {"search": ("finds notes by words", {"words": "words, any of which a note must have"}, search),
                "read": ("reads one note", {"note": "its name, as search gave it"}, read)},
    "numbers": {"sum": ("adds up and averages the numbers of a text", {"text": "the text"}, add_up)},
}


def listed(kind):
    return [{"name": name, "description": description,
             "inputSchema": {"type": "object", "properties": {key: {"type": "string", "description": text} for key, text in parameters.items()},
                             "required": list(parameters)}}
            for name, (description, parameters, _) in TOOLS[kind].items()]


def called(kind, params):
    name = params.get("name")
    if name not in TOOLS[kind]:
        raise LookupError(f"unknown tool '{name}'")
    try:
        text, failed = TOOLS[kind][name][2](params.get("arguments", {})), False
    except (ToolError, KeyError, AttributeError) as error:
        text, failed = f"{error}", True
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def result(kind, method, params):
    """The result of a request; LookupError for what is not offered."""
    if method == "initialize":
        wanted = params.get("protocolVersion")
        return {"protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0], "capabilities": {"tools": {}}, "serverInfo": {"name": kind, "version": "1.0.0"}}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": listed(kind)}
    if method == "tools/call":
        return called(kind, params)
    raise LookupError(f"unknown method '{method}'")


def main(kind):
    print(f"{kind} is ready, process {os.getpid()}", file=sys.stderr, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue  # notifications need no answer
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            answer["result"] = result(kind, message["method"], message.get("params", {}))
        except LookupError as error:
            answer["error"] = {"code": -32601, "message": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    NOTES = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    main(sys.argv[1])
