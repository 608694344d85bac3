#!/usr/bin/env python3
"""A model server without a model: the HTTP dialects of Ollama and OpenAI, answers that follow from the question, and every misbehaviour on demand.

The last user message says what to do; anything that does not begin with '@' is echoed, word by word:
  @slow SECONDS COUNT    COUNT words "w0 w1 ...", SECONDS apart
  @flood KIB             so many KiB in pieces of 1 KiB, as fast as they are taken
  @words MIB             words "w0 w1 ..." of so many MiB on the wire, as fast as they are taken
  @silence               never answers                    @refuse STATUS [RETRY-AFTER]   that status instead of an answer
  @recover               503 twice, then the echo         @cut              three words, then the connection closes
  @error                 three words, then an error in the manner of the dialect
  @garbage               two words, then bytes that are no JSON
  @line                  one line of 10 MB                @empty            an answer without a word
  @tool NAME JSON        calls that tool once, then says what it answered
  @tools                 calls the first tool that it is offered, again and again
  @history               the roles of the messages that it was sent       @options   the options that it was sent
  @body                  all that it was sent but messages and tools      @json TEXT says TEXT when a schema came along

GET /stand-in tells how many requests came, are open, ended whole, and were left by their client, and the bytes of answers that it wrote. The port is printed first."""
import argparse
import asyncio
import contextlib
import json

STATE = {"came": 0, "open": 0, "whole": 0, "left": 0, "sent": 0, "last": None}
TRIES = {}
LINE_BYTES = 10 * 1024 * 1024


class Left(Exception):
    """The client went away."""


class Answer:
    """One streamed or whole answer in one dialect; the connection closes with it."""

    def __init__(self, writer, body):
        self.writer, self.body = writer, body
        self.words = 0
        self.prompt_tokens = sum(len(str(m.get("content") or "").split()) for m in body.get("messages", []))
        self.begun = False
        self.held = []  # of an answer that is not streamed
        self.calls = None

    async def send(self, data):
        STATE["sent"] += len(data)
        if not self.begun:
            self.begun = True
            self.writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {self.content_type if self.stream else 'application/json'}\r\nConnection: close\r\n\r\n".encode())
        self.writer.write(data)
        await self.writer.drain()

    async def word(self, text):
        self.words += 1
        if self.stream:
            await self.send(self.piece(text))
        else:
            self.held.append(text)


class Ollama(Answer):
    content_type = "application/x-ndjson"

    def __init__(self, writer, body):
        super().__init__(writer, body)
        self.stream = body.get("stream", True)
        self.options = body.get("options") or {}

    def line(self, message, **more):
        return (json.dumps({"model": self.body.get("model"), "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False, **more}) + "\n").encode()

    def piece(self, text):
        return self.line({"role": "assistant", "content": text})

    async def call(self, name, arguments):
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]}
        self.calls = message["tool_calls"]
        if self.stream:
            await self.send(self.line(message))

    async def end(self):
        message = {"role": "assistant", "content": "".join(self.held)}
        if self.calls and not self.stream:
            message["tool_calls"] = self.calls
        await self.send(self.line(message, done=True, done_reason="stop", prompt_eval_count=self.prompt_tokens, eval_count=self.words, total_duration=1, eval_duration=1))

    async def error(self, text):
        await self.send((json.dumps({"error": text}) + "\n").encode())

    async def garbage(self):
        await self.send(b"<html>\x00\xff no json\n")

    def long_line(self):
        return self.piece("x" * LINE_BYTES)


class OpenAI(Answer):
    content_type = "text/event-stream"

    def __init__(self, writer, body):
        super().__init__(writer, body)
        self.stream = body.get("stream", False)
        self.options = {k: body.get(k) for k in ("temperature", "top_p", "max_tokens", "max_completion_tokens") if k in body}

    def chunk(self, delta, finish=None, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return ("data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": self.body.get("model"), "choices": [choice], **more}) + "\n\n").encode()

    def piece(self, text):
        return self.chunk({"content": text})

    async def call(self, name, arguments):
        self.calls = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}]
        if self.stream:
            await self.send(self.chunk({"role": "assistant", "tool_calls": self.calls}))

    async def end(self):
        usage = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.words, "total_tokens": self.prompt_tokens + self.words}
        finish = "tool_calls" if self.calls else "stop"
        if self.stream:
            await self.send(self.chunk({}, finish))
            await self.send(("data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": [], "usage": usage}) + "\n\ndata: [DONE]\n\n").encode())
            return
        message = {"role": "assistant", "content": "".join(self.held)} | ({"tool_calls": self.calls} if self.calls else {})
        await self.send(json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": self.body.get("model"), "usage": usage,
                                    "choices": [{"index": 0, "message": message, "finish_reason": finish}]}).encode())

    async def error(self, text):
        await self.send(("data: " + json.dumps({"error": {"message": text, "type": "server_error"}}) + "\n\n").encode())

    async def garbage(self):
        await self.send(b"data: <html>\x00\xff no json\n\n")

    def long_line(self):
        return self.piece("x" * LINE_BYTES)


def content(message):
    said = message.get("content") or ""
    return said if isinstance(said, str) else "".join(part.get("text", "") for part in said)


def last_said(messages):
    return next((content(m) for m in reversed(messages) if m.get("role") == "user"), "")


async def say(answer, text):
    for i, word in enumerate(text.split(" ")):
        await answer.word(("" if i == 0 else " ") + word)
    await answer.end()


async def do_slow(answer, words):
    for i in range(int(words[1])):
        await answer.word(f"w{i} ")
        await asyncio.sleep(float(words[0]))
    await answer.end()


async def do_flood(answer, words):
    for _ in range(int(words[0])):
        await answer.word("0123456789abcdef" * 64)
    await answer.end()


async def do_words(answer, words):
    count, until = 0, STATE["sent"] + int(words[0]) * 1024 * 1024
    while STATE["sent"] < until:
        await answer.send(b"".join(answer.piece(f"w{count + i} ") for i in range(500)))
        count += 500
    await answer.end()


async def do_silence(_answer, _words):
    await asyncio.sleep(3600)


async def three_words(answer):
    for word in ("one ", "two ", "three "):
        await answer.word(word)


async def do_cut(answer, _words):
    await three_words(answer)


async def do_error(answer, _words):
    await three_words(answer)
    await answer.error("the model fell over")


async def do_garbage(answer, _words):
    await answer.word("one ")
    await answer.word("two ")
    await answer.garbage()
    await answer.end()


async def do_line(answer, _words):
    await answer.word("one ")
    await answer.send(answer.long_line())
    await answer.end()


async def do_empty(answer, _words):
    await answer.end()


async def do_tool(answer, words):
    told = [content(m) for m in answer.body["messages"] if m.get("role") == "tool"]
    if told:
        await say(answer, "the tool said: " + told[-1])
        return
    await answer.call(words[0], json.loads(" ".join(words[1:]) or "{}"))
    await answer.end()


async def do_tools(answer, _words):
    tools = answer.body.get("tools") or [{"function": {"name": "nothing"}}]
    await answer.call(tools[0]["function"]["name"], {})
    await answer.end()


async def do_history(answer, _words):
    await say(answer, " ".join(m.get("role", "?") for m in answer.body["messages"]))


async def do_options(answer, _words):
    await say(answer, json.dumps({"model": answer.body.get("model"), **answer.options}))


async def do_body(answer, _words):
    await answer.word(json.dumps({k: v for k, v in answer.body.items() if k not in ("messages", "tools")}))
    await answer.end()


async def do_json(answer, words):
    asked = answer.body.get("format") or (answer.body.get("response_format") or {}).get("json_schema", {}).get("schema")
    await say(answer, " ".join(words) if isinstance(asked, dict) else "no schema came")


ACTS = {"@slow": do_slow, "@flood": do_flood, "@words": do_words, "@silence": do_silence, "@cut": do_cut, "@error": do_error, "@garbage": do_garbage, "@line": do_line, "@empty": do_empty,
        "@tool": do_tool, "@tools": do_tools, "@history": do_history, "@options": do_options, "@body": do_body, "@json": do_json}
DIALECTS = {"/api/chat": Ollama, "/v1/chat/completions": OpenAI, "/chat/completions": OpenAI}


def plain(status, body, more=""):
    return f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n".encode() + body


def refusal(words, said):
    """The status to refuse with, or None."""
    if words[0] == "@refuse":
        return int(words[1])
    if words[0] == "@recover":
        TRIES[said] = TRIES.get(said, 0) + 1
        return 503 if TRIES[said] <= 2 else None
    return None


async def answer_chat(dialect, writer, body):
    said = last_said(body.get("messages", []))
    words = said.split(" ")
    STATE["last"] = body
    status = refusal(words, said)
    if status:
        error = "refused as asked" if dialect is Ollama else {"message": "refused as asked", "type": "server_error"}
        retry = f"Retry-After: {words[2]}\r\n" if words[0] == "@refuse" and len(words) > 2 else ""
        writer.write(plain(status, json.dumps({"error": error}).encode(), retry))
        return
    answer = dialect(writer, body)
    act = ACTS.get(words[0])
    await (act(answer, words[1:]) if act else say(answer, "echo: " + said))


async def read_request(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return head[0].split(" ")[1], headers, body


async def watch_left(reader):
    """Ends when the client closes its side."""
    while await reader.read(4096):
        pass
    raise Left


async def serve_chat(dialect, reader, writer, body):
    STATE["came"] += 1
    STATE["open"] += 1
    work, left = asyncio.ensure_future(answer_chat(dialect, writer, json.loads(body))), asyncio.ensure_future(watch_left(reader))
    try:
        done, _ = await asyncio.wait([work, left], return_when=asyncio.FIRST_COMPLETED)
        STATE["whole" if work in done and not work.exception() else "left"] += 1
    finally:
        STATE["open"] -= 1
        for task in (work, left):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Left, OSError):
                await task


async def serve(reader, writer):
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        path, headers, body = await read_request(reader)
        if path in DIALECTS:
            STATE["key"] = headers.get("authorization")
            await serve_chat(DIALECTS[path], reader, writer, body)
        elif path == "/stand-in":
            writer.write(plain(200, json.dumps(STATE).encode()))
        else:
            writer.write(plain(404, b'{"error":"no such path"}'))
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    server = await asyncio.start_server(serve, "127.0.0.1", parser.parse_args().port, backlog=1024, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
