"""A model server without a model, so that these examples run anywhere: it speaks as much of the HTTP of Ollama and OpenAI as an agent needs, and plays
back what a file has recorded. It says so in its log and in every answer. Usage: stand_in.py RECORDED.json; the port comes from AGENT_PORT.

A recording is {"who", "when", "steps", "answer"}: it is played when the system prompt has the words of `who` and the question matches `when`. Each step is
a list of tool calls, made in a round of its own; in the texts of later steps and of the answer {0}, {1}, ... are what the tools said, {question} the question.
"""
import http.server
import json
import os
import re
import signal
import sys


def content(message):
    return message.get("content") or ""


def filled(value, question, told):
    """@value with {question} and {0}, {1}, ... in its texts replaced."""
    if isinstance(value, dict):
        return {key: filled(inner, question, told) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    known = {"question": question, **{str(i): text for i, text in enumerate(told)}}
    return re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], match[0]), value)


def play(recorded, messages):
    """(text, tool calls) that come next in the conversation @messages."""
    system = " ".join(content(m) for m in messages if m["role"] == "system")
    last = max(i for i, m in enumerate(messages) if m["role"] == "user")
    question, later = content(messages[last]), messages[last + 1:]
    told = [content(m) for m in later if m["role"] == "tool"]
    step = sum(1 for m in later if m["role"] == "assistant" and m.get("tool_calls"))
    for one in recorded:
        if one.get("who", "") in system and re.search(one.get("when", ""), question, re.I | re.S):
            steps = one.get("steps", [])
            if step < len(steps):
                return "", filled_calls(steps[step], question, told)
            return filled(one["answer"], question, told), []
    return "(recorded) I was not recorded saying anything about that.", []


def filled_calls(calls, question, told):
    return [{"name": call["name"], "arguments": filled(call.get("arguments", {}), question, told)} for call in calls]


def words(text):
    return re.findall(r"\s*\S+", text) or [text]


def ollama(model, text, calls):
    """The lines of an answer of /api/chat."""
    def line(message, **more):
        return json.dumps({"model": model, "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", **message}, "done": False, **more}) + "\n"
    if calls:
        yield line({"content": "", "tool_calls": [{"function": call} for call in calls]})
    for word in words(text) if text else []:
        yield line({"content": word})
    yield line({"content": ""}, done=True, done_reason="stop", prompt_eval_count=1, eval_count=len(words(text)))


def openai(model, text, calls):
    """The events of an answer of /v1/chat/completions."""
    def event(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({'id': 'recorded', 'object': 'chat.completion.chunk', 'created': 1, 'model': model, 'choices': [choice]})}\n\n"
    for i, call in enumerate(calls):
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        yield event({"role": "assistant", "tool_calls": [{"index": i, "id": f"call_{i}", "type": "function", "function": function}]})
    for word in words(text) if text else []:
        yield event({"content": word})
    yield event({}, "tool_calls" if calls else "stop")
    yield "data: [DONE]\n\n"


DIALECTS = {"/api/chat": (ollama, "application/x-ndjson"), "/v1/chat/completions": (openai, "text/event-stream")}


class StandIn(http.server.BaseHTTPRequestHandler):
    recorded = []

    def answer(self, kind, pieces):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece.encode())
            self.wfile.flush()

    def do_GET(self):
        self.answer("application/json", ['{"status": "healthy"}'])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path not in DIALECTS:
            self.send_error(404)
            return
        dialect, kind = DIALECTS[self.path]
        text, calls = play(self.recorded, body["messages"])
        print("played", json.dumps(calls) if calls else text, flush=True)
        self.answer(kind, dialect(body.get("model", ""), text, calls))

    def log_message(self, *_):
        pass


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(sys.argv[1], encoding="utf-8") as file:
        StandIn.recorded = json.load(file)
    print("no model is here: the answers are recorded ones from", sys.argv[1], flush=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["AGENT_PORT"])), StandIn).serve_forever()


if __name__ == "__main__":
    main()
