"""The doors of an agent: what they answer, what they refuse, who may come in, clients that leave or do not read, models that misbehave."""
import contextlib
import json
import os
import subprocess
import threading
import time

import pytest
from agent_world import world  # noqa: F401 (a fixture)
from conftest import BIN, wait_until

KEY, PEER = "a key of the tests", "the key of the peers"


def ask(door, text, stream=True):
    """The path and body that put @text to @door."""
    said = [{"role": "user", "content": text}]
    message = {"role": "ROLE_USER", "messageId": f"m-{text}-{time.monotonic()}", "parts": [{"text": text}]}
    return {
        "prompt": ("/prompt", {"prompt": text, "stream": stream}),
        "query": ("/query", {"query": text, "stream": stream}),
        "generate": ("/api/generate", {"model": "Desk", "prompt": text, "stream": stream}),
        "chat": ("/api/chat", {"model": "Desk", "messages": said, "stream": stream}),
        "openai": ("/v1/chat/completions", {"model": "Desk", "messages": said, "stream": stream}),
        "a2a": ("/a2a", {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage" if stream else "SendMessage", "params": {"message": message}}),
    }[door]


DOORS = ["prompt", "query", "generate", "chat", "openai", "a2a"]


@pytest.mark.asan
def test_prompt_whole_and_in_pieces(world):
    agent = world.serve()
    status, body = agent.post("/prompt", {"prompt": "one two"})
    assert status == 200 and body["response"] == "echo: one two" and body["agent"] == "Desk"
    assert body["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "rounds": 1, "tool_calls": 0}
    for events in (agent.events("/prompt", {"prompt": "one two", "stream": True}), agent.events("/prompt", {"prompt": "one two"}, {"Accept": "text/event-stream"})):
        assert [name for name, _ in events] == ["delta"] * 3 + ["done"]
        assert [data["text"] for name, data in events if name == "delta"] == ["echo:", " one", " two"]
        assert events[-1][1]["response"] == "echo: one two" and "duration_ms" in events[-1][1]
    status, body = agent.post("/prompt", {"prompt": "x", "stream": False}, {"Accept": "text/event-stream"})
    assert status == 200 and body["response"] == "echo: x"


def test_options_reach_the_model(world):
    agent = world.serve()
    for path, more in (("/prompt", {"prompt": "@options", "temperature": 0.25, "top_p": 0.5, "max_tokens": 7, "model": "big"}),
                       ("/api/generate", {"prompt": "@options", "stream": False, "model": "big", "options": {"temperature": 0.25, "top_p": 0.5, "num_predict": 7}}),
                       ("/v1/chat/completions", {"messages": [{"role": "user", "content": "@options"}], "model": "big", "temperature": 0.25, "top_p": 0.5, "max_tokens": 7})):
        status, body = agent.post(path, more)
        answer = body.get("response") or body["choices"][0]["message"]["content"]
        assert status == 200 and json.loads(answer) == {"model": "big", "temperature": 0.25, "top_p": 0.5, "num_predict": 7}, path
    answer = agent.post("/api/generate", {"prompt": "@options", "stream": False, "model": "Desk:latest"})[1]["response"]
    assert json.loads(answer)["model"] == "stand-in"


def test_sessions_are_remembered_by_every_door(world):
    agent = world.serve()
    assert agent.post("/prompt", {"prompt": "hello", "session_id": "s1"})[1]["session_id"] == "s1"
    status, body = agent.post("/query", {"query": "@history", "session_id": "s1"})
    assert status == 200 and body["response"] == "user assistant user"
    message = {"kind": "message", "role": "user", "messageId": "m", "contextId": "s1", "parts": [{"kind": "text", "text": "@history"}]}
    task = agent.rpc("message/send", {"message": message})["result"]
    assert task["contextId"] == "s1" and task["artifacts"][0]["parts"][0]["text"] == "user assistant user assistant user"
    fresh = agent.post("/query", {"query": "@history"})[1]
    assert fresh["response"] == "user" and len(fresh["session_id"]) == 24
    assert agent.get("/api/sessions")["active_sessions"] == 2
    assert agent.request("DELETE", "/api/sessions/s1")[0] == 204
    assert agent.request("DELETE", "/api/sessions/s1")[0] == 404
    assert agent.post("/query", {"query": "@history", "session_id": "s1"})[1]["response"] == "user"


@pytest.mark.asan
def test_bodies_that_are_refused(world):
    agent = world.serve()
    status, body = agent.post("/prompt", {"prompt": "x", "tempo": 1, "top_p": 3, "session_id": 7})
    assert status == 422 and body["code"] == "invalid"
    for part in ("'session_id': wanted a text", "'top_p': wanted a number from 0 to 1", "'tempo': no such member"):
        assert part in body["detail"]
    for path, more in (("/v1/chat/completions", {"messages": []}), ("/api/chat", {"messages": [{"role": "king", "content": "x"}]}), ("/v1/chat/completions", {}),
                       ("/v1/chat/completions", {"messages": [{"role": "user", "content": 7}]}), ("/api/generate", [1])):
        status, body = agent.post(path, more)
        assert status == 400 and ("messages" in str(body["error"]) or "object" in str(body["error"])), (path, body)
    assert agent.post("/api/generate", {"model": "Desk", "prompt": ""})[1]["done_reason"] == "load"
    assert agent.post("/v1/chat/completions", {"model": "Desk", "messages": [{"role": "user", "content": "x"}], "never_heard": [1]})[0] == 200
    assert agent.request("GET", "/api/chat")[:2] == (405, {"error": "allowed: POST"})
    assert agent.request("GET", "/api/chat")[2]["Allow"] == "POST"
    assert agent.request("GET", "/v1/nothing")[0] == 404
    assert world.state()["came"] == 1
    assert agent.get("/status")["errors"] == 6
    lines = [line for line in agent.get("/metrics").splitlines() if line and line[0] != "#"]
    assert all(len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) >= 0 for line in lines)
    assert any(line.startswith("reeve_agent_a2a_tasks ") for line in lines)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("said", ["@silence", "@slow 0.05 1000"])
def test_a_client_that_leaves_ends_its_question(world, door, said):
    agent = world.serve()
    with agent.raw(*ask(door, said)) as peer:
        wait_until(lambda: world.state()["open"] == 1, what="the model is asked")
        if said != "@silence":
            assert peer.recv(100)
    if door == "a2a":
        task = agent.rpc("ListTasks", {})["result"]["tasks"][0]
        assert task["status"]["state"] == "TASK_STATE_WORKING" and world.state()["open"] == 1
        assert agent.rpc("CancelTask", {"id": task["id"]})["result"]["status"]["state"] == "TASK_STATE_CANCELED"
    wait_until(lambda: world.state()["open"] == 0, what="the model hears that nobody wants its answer")
    assert world.state()["left"] == 1
    wait_until(lambda: agent.in_flight() == 0, what="the agent is free again")


@pytest.mark.parametrize("door", DOORS)
def test_a_reader_that_takes_nothing_is_cut_off(world, door):
    agent = world.serve(llm="idle_timeout = 1")
    before = agent.memory_kib()
    with agent.raw(*ask(door, "@flood 65536")) as peer:
        wait_until(lambda: agent.get("/status")["held_back"] == 1, what="the model is held back")
        assert agent.in_flight() == 1 and agent.memory_kib() - before < 12 * 1024
        wait_until(lambda: "reader is too slow" in agent.log.read_text(), what="the agent notices")
        if door == "a2a":
            task = agent.rpc("ListTasks", {})["result"]["tasks"][0]
            agent.rpc("CancelTask", {"id": task["id"]})
        wait_until(lambda: agent.in_flight() == 0, what="the question is ended")
        assert agent.get("/status")["held_back"] == 0
        got = b""
        with contextlib.suppress(OSError):
            while piece := peer.recv(1 << 20):
                got += piece
    assert b"slow-reader" in got[-2000:] or b"took nothing" in got[-2000:] or b"too slowly" in got[-2000:]


def told(agent, door, said):
    """How a stream ended: its last piece, as text."""
    path, body = ask(door, said)
    status, text, _ = agent.request("POST", path, body)
    assert status == 200, (door, said, status, text)
    return text


@pytest.mark.parametrize("provider", ["ollama", "openai"])
@pytest.mark.parametrize("said", ["@error", "@cut", "@garbage", "@line"])
def test_errors_in_mid_stream_are_told_in_the_manner_of_each_door(world, provider, said):
    agent = world.serve(provider=provider)
    assert "event: error" in told(agent, "prompt", said) and '"code":"brain-failed"' in told(agent, "prompt", said)
    lines = told(agent, "chat", said).splitlines()
    assert "error" in json.loads(lines[-1]) and not any(json.loads(line).get("done") for line in lines)
    assert "error" in json.loads(told(agent, "generate", said).splitlines()[-1])
    text = told(agent, "openai", said)
    assert "[DONE]" not in text and json.loads(text.strip().rsplit("data: ", 1)[1])["error"]["type"] == "server_error"
    last = json.loads(told(agent, "a2a", said).strip().rsplit("data: ", 1)[1])["result"]["statusUpdate"]
    assert last["status"]["state"] == "TASK_STATE_FAILED" and last["status"]["message"]["parts"][0]["text"]
    assert agent.get("/health")["status"] == "healthy"


@pytest.mark.parametrize("door", DOORS)
def test_failures_before_the_first_word_have_a_status(world, door):
    agent = world.serve(llm="request_timeout = 0.5")
    wanted = {"@refuse 400": 400, "@refuse 401": 401, "@refuse 404": 404, "@refuse 413": 413, "@refuse 422": 422, "@refuse 429 45": 429, "@refuse 501": 502, "@silence": 504}
    for said, code in wanted.items():
        path, body = ask(door, said)
        status, text, headers = agent.request("POST", path, body)
        if door == "a2a":
            assert status == 200 and ("TASK_STATE_FAILED" in text or "TASK_STATE_REJECTED" in text)
            continue
        assert status == code, (status, text)
        assert headers["Retry-After"] == ("45" if code == 429 else None)
        assert "504" in said or code == 504 or "refused as asked" in json.dumps(text), text
    assert world.state()["came"] == len(wanted)  # none of these is asked for again


def test_too_many_are_refused_in_the_manner_of_each_door(world):
    agent = world.serve(more="[resources]\nmax_concurrent_requests = 1")
    held = [agent.raw(*ask("prompt", "@slow 0.05 100000")) for _ in range(65)]
    wait_until(lambda: agent.get("/status")["queued"] == 64, what="the queue is full")
    for door in DOORS[:-1]:
        status, answer, headers = agent.request("POST", *ask(door, "x"))
        assert status == 429 and int(headers["Retry-After"]) >= 1 and "queue is full" in json.dumps(answer)
    task = agent.post(*ask("a2a", "x", stream=False))[1]["result"]["task"]
    assert task["status"]["state"] == "TASK_STATE_REJECTED"
    for peer in held:
        peer.close()
    wait_until(lambda: agent.get("/status")["queued"] == 0 and agent.in_flight() == 0, what="all have left")


def statuses(agent, headers):
    found = {}
    for door in DOORS:
        found[door] = agent.request("POST", *ask(door, "x", stream=False), headers=headers)[0]
    for path in ("/status", "/metrics", "/api/tags", "/api/version", "/v1/models", "/api/sessions", "/health", "/.well-known/agent-card.json",
                 "/.well-known/agent-configuration"):
        found[path] = agent.request("GET", path, headers=headers)[0]
    return found


OPEN = {"/health", "/.well-known/agent-card.json", "/.well-known/agent-configuration"}


@pytest.mark.asan
def test_keys(world):
    agent = world.serve(environment={"AGENT_AUTH_REQUIRED": "true", "AGENT_API_KEY": KEY, "AGENT_PEER_KEY": PEER})
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}, {"X-API-Key": ""}, {"X-API-Key": KEY + "x"}):
        for name, status in statuses(agent, headers).items():
            assert status in ([200] if name in OPEN else [401, 429]), (headers, name)
    limited = agent.request("GET", "/status", headers={"X-API-Key": "wrong"})
    assert limited[0] == 429 and limited[1]["code"] == "rate-limited" and limited[2]["Retry-After"] == "1"  # who guesses is slowed down
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {PEER}"}, {"x-api-key": PEER}, {"Authorization": f"Basic {KEY}", "X-API-Key": KEY}):
        assert set(statuses(agent, headers).values()) == {200}, headers
    status, body, headers = agent.request("POST", "/prompt", {"prompt": "x"})
    assert status == 401 and body["code"] == "unauthorized" and headers["WWW-Authenticate"].startswith("Bearer")
    assert agent.request("POST", "/v1/chat/completions", {})[1]["error"]["code"] == "invalid_api_key"
    assert "key" in agent.request("POST", "/api/chat", {})[1]["error"]
    assert agent.request("POST", "/shutdown", "")[0] == 401 and agent.process.poll() is None
    card = agent.request("GET", "/.well-known/agent-card.json")[1]
    assert card["securitySchemes"]["apiKey"]["name"] == "X-API-Key" and card["security"]
    assert KEY not in agent.log.read_text() and PEER not in agent.log.read_text()


def test_where_the_key_may_be(world, tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    agent = world.serve(more=f'[server]\napi_key_file = "{key}"')
    assert agent.request("GET", "/status")[0] == 401 and agent.request("GET", "/status", headers={"X-API-Key": KEY})[0] == 200
    agent = world.serve(more='[server]\napi_key_env = "DESK_KEY"', environment={"DESK_KEY": KEY})
    assert agent.request("GET", "/status")[0] == 401 and agent.request("GET", "/status", headers={"X-API-Key": KEY})[0] == 200
    for more, environment, says in (("", {"AGENT_AUTH_REQUIRED": "true"}, "AGENT_API_KEY"), ('[server]\napi_key_env = "NO_SUCH"', {}, "NO_SUCH"),
                                    ("", {"AGENT_AUTH_REQUIRED": "true", "AGENT_API_KEY": "short"}, "too short"), ('[server]\napi_key = "x"', {}, "api_key")):
        (tmp_path / "bad.toml").write_text(world.toml(more=more))
        done = subprocess.run([BIN, "agent", "serve", "--port", "0", "--agent", tmp_path / "bad.toml"], capture_output=True, text=True, timeout=20, check=False,
                              env={**os.environ, **environment})
        assert done.returncode == 3 and says in done.stderr, (more, done.stderr)


def test_a_key_that_others_may_read_is_none(world, tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    (tmp_path / "agent.toml").write_text(world.toml(more=f'[server]\napi_key_file = "{key}"'))
    for mode in (0o640, 0o604):
        key.chmod(mode)
        done = subprocess.run([BIN, "agent", "serve", "--port", "0", "--agent", tmp_path / "agent.toml"], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode != 0 and f"'{key}': others may read it (mode 0{mode:o}); run: chmod 600 '{key}'" in done.stderr, done.stderr
        assert KEY not in done.stderr


def test_the_card_and_its_tag(world):
    agent = world.serve()
    status, card, headers = agent.request("GET", "/.well-known/agent-card.json")
    assert status == 200 and headers["ETag"] and "max-age" in headers["Cache-Control"]
    assert card["url"] == f"http://127.0.0.1:{agent.port}/a2a" and card["preferredTransport"] == "JSONRPC" and card["protocolVersion"] == "0.3.0"
    assert [(i["protocolVersion"], i["protocolBinding"]) for i in card["supportedInterfaces"]] == [("1.0", "JSONRPC"), ("0.3", "JSONRPC")]
    assert "securitySchemes" not in card
    assert agent.request("GET", "/.well-known/agent-card.json", headers={"Host": "evil.example"})[0] == 403
    status, _, _ = agent.request("GET", "/.well-known/agent-card.json", headers={"If-None-Match": headers["ETag"]})
    assert status == 304


@pytest.mark.asan
def test_a2a_errors_have_their_codes(world):
    agent = world.serve()
    assert agent.post("/a2a", "{")[1]["error"]["code"] == -32700
    assert agent.post("/a2a", [])[1]["error"]["code"] == -32600
    assert agent.rpc("message/sing", {})["error"]["code"] == -32601
    assert agent.rpc("GetTask", {})["error"]["code"] == -32602
    assert agent.rpc("tasks/pushNotificationConfig/set", {})["error"]["code"] == -32003
    wrong = agent.rpc("GetTask", {"id": "x"}, headers={"A2A-Version": "7.0"})["error"]
    assert wrong["code"] == -32009 and wrong["data"][0]["reason"] == "VERSION_NOT_SUPPORTED"
    assert "data" not in agent.rpc("tasks/get", {"id": "x"})["error"]
    for method, role in (("message/send", "user"), ("SendMessage", "ROLE_USER")):
        message = {"role": role, "messageId": "f", "parts": [{"kind": "file", "file": {"uri": "http://x/"}, "url": "http://x/"}]}
        assert agent.rpc(method, {"message": message})["error"]["code"] == -32005


def test_a_message_that_comes_twice_is_one_task(world):
    agent = world.serve()
    path, body = ask("a2a", "@slow 0.02 20", stream=False)
    first, second = [], []
    threads = [threading.Thread(target=lambda into=into: into.append(agent.post(path, body)[1]["result"]["task"])) for into in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert first[0]["id"] == second[0]["id"] and first[0]["status"]["state"] == "TASK_STATE_COMPLETED" and world.state()["came"] == 1


def test_what_is_drained_can_still_be_looked_at(world):
    agent = world.serve()
    body = {**ask("a2a", "@slow 0.05 20", stream=False)[1]}
    body["params"]["configuration"] = {"returnImmediately": True}
    kept, answer = agent.connect("POST", "/a2a", body)
    task = json.loads(answer.read())["result"]["task"]
    agent.process.terminate()
    wait_until(lambda: "draining" in agent.log.read_text(), what="it drains")
    kept.request("POST", "/a2a", json.dumps({"jsonrpc": "2.0", "id": 2, "method": "GetTask", "params": {"id": task["id"]}}), {"Content-Type": "application/json"})
    assert json.loads(kept.getresponse().read())["result"]["status"]["state"] in ("TASK_STATE_WORKING", "TASK_STATE_SUBMITTED")
    assert agent.process.wait(timeout=20) == 0


def test_tools_are_told_of_and_peers_have_the_key(world):
    worker = world.serve(name="worker", environment={"AGENT_AUTH_REQUIRED": "true", "AGENT_API_KEY": KEY, "AGENT_PEER_KEY": PEER})
    peers = world.directory / "peers.json"
    peers.write_text(json.dumps([{"id": "worker", "role": "spoke", "urls": [worker.url]}]))
    hub = world.serve(name="hub", environment={"AGENT_PEERS_FILE": str(peers), "AGENT_PEER_KEY": PEER})
    said = '@tool ask_worker {"text": "are you there"}'
    events = hub.events("/prompt", {"prompt": said, "stream": True})
    assert [(data["name"], data["phase"]) for name, data in events if name == "tool"] == [("ask_worker", "begins"), ("ask_worker", "ends")]
    assert events[-1][1]["response"] == "the tool said: echo: are you there" and events[-1][1]["usage"]["tool_calls"] == 1
    stranger = world.serve(name="stranger", environment={"AGENT_PEERS_FILE": str(peers), "AGENT_PEER_KEY": "some other key"})
    assert "401" in stranger.post("/prompt", {"prompt": said})[1]["response"]
    assert PEER not in hub.log.read_text() + worker.log.read_text()


def test_tool_calls_without_end_are_ended(world):
    worker = world.serve(name="worker")
    hub = world.serve(name="hub", more=f'[sub_agents.worker]\nurl = "{worker.url}"\n')
    status, body = hub.post("/prompt", {"prompt": "@tools"})
    assert status == 502 and "rounds" in body["detail"]


def test_tools_of_a_command_are_said_to_be_of_no_use(world):
    agent = world.serve('[agent]\nname = "Plain"\n[llm]\ncommand = ["cat"]\n[sub_agents.far]\nurl = "http://127.0.0.1:1"\n')
    assert "key=sub_agents why=a-command-is-offered-no-tools" in agent.log.read_text()
    assert agent.post("/prompt", {"prompt": "hello"})[1]["response"] == "hello"


MORE = {"stop": ["two"], "seed": 7, "frequency_penalty": 0.5, "top_k": 4, "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}}
CHAT = {"model": "Desk", "messages": [{"role": "user", "content": "x"}], "stream": False}


@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_what_shapes_the_answer_reaches_the_model(world, provider):
    agent = world.serve(provider=provider, llm="max_completion_tokens = 9")
    schema = {"type": "object"}
    options = {"stop": ["two"], "seed": 7, "frequency_penalty": 0.5, "top_k": 4}
    for path, body in (("/v1/chat/completions", {**CHAT, **MORE, "reasoning_effort": "low"}),
                       ("/api/chat", {**CHAT, "options": options, "format": schema, "think": "low"}),
                       ("/api/generate", {"prompt": "x", "stream": False, "options": options, "format": schema, "think": "low"})):
        assert agent.post(path, body)[0] == 200, path
        last = world.state()["last"]
        if provider == "ollama":
            assert last["format"] == schema and last["think"] == "low" and last["options"] == {**options, "num_predict": 9}, (path, last)
        else:
            assert {k: last[k] for k in options} == options and last["response_format"]["json_schema"]["schema"] == schema, (path, last)
            assert last["reasoning_effort"] == "low" and last["max_completion_tokens"] == 9 and "max_tokens" not in last
    for body, name in (({"max_tokens": 5}, "max_tokens"), ({"max_completion_tokens": 5}, "max_completion_tokens")):
        assert agent.post("/v1/chat/completions", {**CHAT, **body})[0] == 200
        last = world.state()["last"]
        assert (last["options"]["num_predict"] if provider == "ollama" else last[name]) == 5


def test_what_no_answer_can_have_is_refused(world):
    agent = world.serve()
    named = {"type": "function", "function": {"name": "f"}}
    for more, says in (({"tool_choice": "required"}, "tool_choice"), ({"tool_choice": named}, "tool_choice"), ({"function_call": {"name": "f"}}, "function_call"), ({"n": 2}, "n:"),
                       ({"logprobs": True}, "logprobs"), ({"modalities": ["text", "audio"]}, "modalities"), ({"response_format": {"type": "xml"}}, "response_format"),
                       ({"response_format": "json"}, "response_format"), ({"temperature": "hot"}, "temperature"), ({"max_tokens": "many"}, "max_tokens"), ({"stream": "yes"}, "stream")):
        status, body = agent.post("/v1/chat/completions", {**CHAT, **more})
        assert status == 400 and says in body["error"]["message"] and body["error"]["type"] == "invalid_request_error", (more, body)
    for path, more, says in (("/api/chat", {"format": "xml"}, "format"), ("/api/chat", {"options": {"top_p": "x"}}, "top_p"), ("/api/chat", {"options": 7}, "options"), ("/api/chat", {"logprobs": True}, "logprobs"),
                             ("/api/generate", {"suffix": "}"}, "suffix"), ("/api/generate", {"raw": True}, "raw"), ("/api/generate", {"images": ["AAAA"]}, "images")):
        status, body = agent.post(path, {**CHAT, "prompt": "x", **more})
        assert status == 400 and says in body["error"], (more, body)
    assert world.state()["came"] == 0
    fine = {"tools": [named], "tool_choice": "auto", "n": None, "logprobs": False, "response_format": {"type": "text"}, "temperature": None, "top_logprobs": 0}
    assert agent.post("/v1/chat/completions", {**CHAT, **fine})[0] == 200


def test_every_message_may_be_the_last(world):
    agent = world.serve(provider="openai")
    user = {"role": "user", "content": "x"}
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    for messages, roles in (([{"role": "system", "content": "s"}], ["system"]), ([user, {"role": "developer", "content": "s"}], ["user", "system"]),
                            ([user, {"role": "assistant", "content": "The"}], ["user", "assistant"]), ([user, call, {"role": "tool", "tool_call_id": "c", "content": "7"}], ["user", "assistant", "tool"]),
                            ([user, {"role": "function", "name": "f", "content": "7"}], ["user", "tool"]), ([user, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, user], ["user", "assistant", "user"])):
        for path in ("/v1/chat/completions", "/api/chat"):
            status, body = agent.post(path, {"messages": messages, "stream": False})
            assert status == 200, (path, messages, body)
            assert [m["role"] for m in world.state()["last"]["messages"]] == roles


def test_an_image_is_refused_now_and_noted_later(world):
    agent = world.serve()
    image, text = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}], {"role": "user", "content": "and now?"}
    for path, message in (("/v1/chat/completions", {"role": "user", "content": image}), ("/api/chat", {"role": "user", "content": "see", "images": ["AAAA"]})):
        for messages in ([message], [text, message, {"role": "assistant", "content": "The"}]):
            status, body = agent.post(path, {"messages": messages, "stream": False})
            assert status == 400 and "text only" in json.dumps(body), (path, body)
        assert agent.post(path, {"messages": [message, {"role": "assistant", "content": "a cat"}, text], "stream": False})[0] == 200
        first = world.state()["last"]["messages"][0]["content"]
        assert first.startswith("see[image") and "left out" in first


def test_json_that_other_parsers_read_is_read(world):
    agent = world.serve()
    body = b'\xef\xbb\xbf{"seed": 18446744073709551615, "stream": true, "stream": false, "messages": [{"role": "user", "content": "a\\u0000b\\ud83d caf\xe9"}]}'
    status, answer = agent.post("/v1/chat/completions", body)
    assert status == 200 and answer["choices"][0]["message"]["content"] == "echo: a\ufffdb\ufffd caf\ufffd"
    assert world.state()["last"]["options"]["seed"] == pytest.approx(2**64)
    assert agent.post("/prompt", b'{"prompt": "\\ud83d"}')[1]["response"] == "echo: \ufffd"
    for path in ("/v1/chat/completions", "/api/chat", "/prompt"):
        status, answer, _ = agent.request("POST", path, b"\x1f\x8b\x08", {"Content-Encoding": "gzip"})
        assert status == 415 and "Content-Encoding" in json.dumps(answer)


def test_what_clients_of_ollama_look_at_first(world):
    agent = world.serve()
    assert agent.get("/") == "Ollama is running" and agent.request("HEAD", "/")[:2] == (200, "")
    assert tuple(map(int, agent.get("/api/version")["version"].split("."))) >= (0, 6, 4)
    assert agent.post("/api/show", {"model": "Desk"})[1]["model_info"]["reeve.context_length"] >= 4096
    for path, empty in (("/api/chat", {"messages": []}), ("/api/chat", {}), ("/api/generate", {"prompt": ""})):
        for keep, reason in ((None, "load"), ("5m", "load"), (-1, "load"), (0, "unload"), ("0", "unload")):
            status, body = agent.post(path, {"model": "Desk", "keep_alive": keep, **empty})
            assert status == 200 and body["done"] and body["done_reason"] == reason and ("message" in body) == (path == "/api/chat"), (path, keep, body)
    assert world.state()["came"] == 0


def test_paths_that_are_none_are_refused_in_the_manner_of_their_protocol(world):
    agent = world.serve()
    status, body = agent.post("/v1/embeddings", {})
    assert status == 404 and body["error"]["type"] == "invalid_request_error" and body["error"]["message"]
    status, body = agent.post("/api/embed", {})
    assert status == 404 and isinstance(body["error"], str)
    status, body = agent.post("/nothing", {})
    assert status == 404 and body["code"] == "not-found"
    huge = {"Content-Length": str(1 << 40)}  # refused before it comes
    status, body = agent.post("/v1/chat/completions", "{}", huge)
    assert status == 413 and body["error"]["type"] == "invalid_request_error" and "body" in body["error"]["message"]
    status, body = agent.post("/api/chat", "{}", huge)
    assert status == 413 and "body" in body["error"]
    assert agent.post("/prompt", "{}", huge)[1]["status"] == 413


def test_tokens_that_nobody_counted_are_not_told(world):
    agent = world.serve('[agent]\nname = "Plain"\n[llm]\ncommand = ["cat"]\n')
    assert "usage" not in agent.post("/v1/chat/completions", CHAT)[1]
    events = agent.events("/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}})
    assert events[-1][1] == "[DONE]" and not any(data.get("usage") for _, data in events[:-1])
    for path, body in (("/api/chat", CHAT), ("/api/generate", {"prompt": "x", "stream": False})):
        answer = agent.post(path, body)[1]
        assert answer["done"] and "eval_count" not in answer and "prompt_eval_count" not in answer


def test_a_file_without_a_brain_has_the_default_one(world):
    toml = '[agent]\nname = "Plain"\n'
    agent = world.serve(toml, environment={"REEVE_MODEL_URL": world.model_url})
    assert agent.post("/prompt", {"prompt": "x"})[1]["response"] == "echo: x" and world.state()["last"]["model"] == "llama3.2"
    agent = world.serve(toml, environment={"REEVE_MODEL_URL": world.model_url, "REEVE_MODEL": "big"})
    assert agent.post("/prompt", {"prompt": "x"})[0] == 200 and world.state()["last"]["model"] == "big"
    assert agent.get("/status")["model"] == "big"


def test_a_model_that_thinks_long_is_waited_for_with_signs_of_life(world):
    """What stands between a client and the agent hears of a stream within seconds, and again."""
    agent = world.serve(provider="openai")
    with contextlib.ExitStack() as stack:
        peers = {door: stack.enter_context(agent.raw(*ask(door, "@silence"))) for door in DOORS}
        begun = time.monotonic()
        got = {door: b"" for door in peers}
        for door, peer in peers.items():
            events = door in ("prompt", "query", "openai", "a2a")
            while b"\r\n\r\n" not in got[door] or (events and got[door].count(b"\n: ") < 2):
                piece = peer.recv(1 << 16)
                assert piece, (door, got[door])
                got[door] += piece
            assert got[door].startswith(b"HTTP/1.1 200 ") and b"X-Accel-Buffering: no\r\n" in got[door], (door, got[door])
        assert time.monotonic() - begun < 60
    task = agent.rpc("ListTasks", {})["result"]["tasks"][0]
    agent.rpc("CancelTask", {"id": task["id"]})
    wait_until(lambda: agent.in_flight() == 0, what="all have left")
