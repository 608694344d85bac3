"""Clients that we did not write drive an agent, each with plain answers, streams, errors and cancelling; behind it a stand-in for the model."""
import json

import pytest
from agent_world import world  # noqa: F401 (a fixture)
from conftest import wait_until

KEY = "a key of the tests"


@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_ollama(world, provider):
    agent = world.serve(provider=provider)
    got = world.client("ollama_client.mjs", agent.url)
    assert [m["name"] for m in got["tags"]["models"]] == ["Desk"]
    assert got["show"]["model_info"]["general.name"] == "Desk"
    assert got["show_unknown"]["status"] == 404 and "gpt-17" in got["show_unknown"]["message"]
    assert got["chat"]["message"] == {"role": "assistant", "content": "echo: one two"} and got["chat"]["done"] and got["chat"]["eval_count"] == 3
    pieces = got["chat_stream"]
    assert [p["message"]["content"] for p in pieces] == ["echo:", " one", " two", " three", ""]
    assert [p["done"] for p in pieces] == [False] * 4 + [True] and pieces[-1]["eval_count"] == 4 and pieces[-1]["prompt_eval_count"] > 0
    assert got["generate"]["response"] == "echo: good day"
    assert "".join(p["response"] for p in got["generate_stream"]) == "echo: good day" and got["generate_stream"][-1]["done"]
    assert got["last_not_user"]["message"]["content"] == "echo: x"
    assert json.loads(got["format"]["message"]["content"]) == {"city": "Bern"}
    body = got["body"]
    sent = (body["options"], body["format"]) if provider == "ollama" else (body, body["response_format"]["type"].removesuffix("_object"))
    assert sent[1] == "json" and sent[0]["stop"] == ["two"] and sent[0]["seed"] == 7 and sent[0]["num_predict" if provider == "ollama" else "max_tokens"] == 9
    assert got["load"]["done_reason"] == "load" and got["unload"]["done_reason"] == "unload" and got["version"]["version"]
    assert got["image"]["status"] == 400 and "text only" in got["image"]["message"]
    assert got["refused"]["status"] == 400 and "refused as asked" in got["refused"]["message"]
    assert "the model fell over" in got["broken_stream"]["message"]
    assert got["cancelled"]["name"] == "AbortError" and 3 <= got["cancelled"]["count"] < 1000  # what came already is still given out
    wait_until(lambda: world.state()["open"] == 0, what="the model hears that the client left")
    assert world.state()["left"] == 1 and agent.in_flight() == 0


def test_openai(world):
    agent = world.serve(environment={"AGENT_AUTH_REQUIRED": "true", "AGENT_API_KEY": KEY})
    got = world.client("openai_client.mjs", agent.url, KEY, world.model_url)
    assert got["wrong_key"]["status"] == 401 and got["wrong_key"]["name"] == "AuthenticationError"
    assert [m["id"] for m in got["models"]] == ["Desk"] and got["model"]["id"] == "Desk"
    assert got["model_unknown"]["name"] == "NotFoundError" and "gpt-17" in got["model_unknown"]["message"]
    choice = got["chat"]["choices"][0]
    assert choice["message"]["content"] == "echo: one two" and choice["finish_reason"] == "stop"
    assert got["chat"]["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    chunks = got["stream"]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "echo:"}
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == "echo: one two three"
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * 4 + ["stop"] and all("usage" not in c for c in chunks)
    assert got["stream_usage"][-1]["choices"] == [] and got["stream_usage"][-1]["usage"]["completion_tokens"] == 4
    assert all(c["usage"] is None for c in got["stream_usage"][:-1])
    assert got["helper"] == "echo: by the helper"
    for name in ("many", "image", "tools_required"):
        assert got[name]["name"] == "BadRequestError" and got[name]["type"] == "invalid_request_error", name
    assert got["last_not_user"]["choices"][0]["message"]["content"] == "echo: x" and got["system_only"]["choices"][0]["message"]["content"] == "echo: "
    assert got["parsed"]["choices"][0]["message"]["parsed"] == {"city": "Bern"}
    assert got["tools_auto"]["choices"][0]["message"]["content"] == "echo: hello"
    assert got["body"]["format"]["required"] == ["city"] and got["body"]["options"] == {"stop": ["two"], "seed": 7, "num_predict": 9, "presence_penalty": 0.5}
    assert got["no_route"]["name"] == "NotFoundError" and "no such path" in got["no_route"]["message"]
    check_refusals(got)
    assert "the model fell over" in got["broken_stream"]["message"]
    wait_until(lambda: world.state()["open"] == 0, what="the model hears that the client left")
    assert world.state()["left"] == 1


def check_refusals(got):
    """What the model server refuses is of the class that it would be without us between, and nobody repeats what is in vain."""
    assert got["refused"]["name"] == "BadRequestError" and "refused as asked" in got["refused"]["message"]
    classes = {"400": "BadRequestError", "401": "AuthenticationError", "404": "NotFoundError", "422": "UnprocessableEntityError", "500": "InternalServerError"}
    for status, name in classes.items():
        found = got["refusals"][status]
        assert found["name"] == name and found["status"] == (502 if status == "500" else int(status)), found
        assert found["asked"] == (3 if status == "500" else 1), found
    assert got["limited"]["name"] == "RateLimitError" and got["limited"]["retry_after"] == "45"


def test_ai(world):
    agent = world.serve(provider="openai")
    got = world.client("ai_client.mjs", agent.url, world.model_url)
    assert got["text"] == "echo: one two" and got["usage"]["inputTokens"] == 2 and got["usage"]["outputTokens"] == 3
    assert got["stream"] == "echo: one two three"
    assert got["object"] == {"city": "Bern"}
    assert got["options"]["stop"] == ["two"] and got["options"]["seed"] == 7 and got["options"]["max_tokens"] == 9
    assert got["tool_last"] == "echo: look"
    assert got["required"]["status"] == 400 and "tool_choice" in got["required"]["message"]
    assert got["refused"] == {"status": 400, "asked": 1, "message": got["refused"]["message"]} and "refused as asked" in got["refused"]["message"]
    assert got["limited"]["status"] == 429 and got["limited"]["retry_after"] == "45"
    assert "the model fell over" in got["broken"]


STATES = {1: "submitted", 2: "working", 3: "completed", 4: "failed", 5: "canceled", 7: "rejected"}


def state(thing):
    word = thing["status"]["state"]
    return STATES.get(word, word)


def text_of(parts):
    return "".join(p["content"]["value"] if "content" in p else p["text"] for p in parts)


def pieces_text(events):
    return "".join(text_of(e["artifact"]["parts"]) for e in events if e["kind"] in ("artifact-update", "artifactUpdate"))


@pytest.mark.parametrize("version", ["0.3", "1.0"])
@pytest.mark.parametrize("key", ["", KEY])
def test_a2a(world, version, key):
    agent = world.serve(environment={"AGENT_AUTH_REQUIRED": "true", "AGENT_API_KEY": key} if key else {})
    got = world.client("a2a_client.mjs", agent.url, version, key)
    card = got["card"]
    assert card["name"] == "Desk" and card["version"] == "2.1.0" and card["capabilities"]["streaming"] and [s["id"] for s in card["skills"]] == ["answers", "echo"]
    assert bool(card.get("securitySchemes")) == bool(key)
    assert state(got["send"]) == "completed" and text_of(got["send"]["artifacts"][0]["parts"]) == "echo: one two"
    assert text_of(got["send"]["history"][0]["parts"]) == "one two"
    # The context is the memory: the second message saw the first and its answer.
    assert text_of(got["again"]["artifacts"][0]["parts"]) == "user assistant user" and got["again"]["contextId"] == got["send"]["contextId"]
    kinds = [e["kind"] for e in got["stream"]]
    assert kinds[0] == "task" and state(got["stream"][0]) == "submitted"
    assert state(got["stream"][1]) == "working" and state(got["stream"][-1]) == "completed"
    assert pieces_text(got["stream"]) == "echo: one two three"
    if version == "0.3":
        assert [e.get("final", False) for e in got["stream"]] == [False] * (len(kinds) - 1) + [True]
    assert state(got["failed"]) == "failed" and text_of(got["failed"]["status"]["message"]["parts"])
    assert pieces_text(got["failed_stream"]) == "one two three " and state(got["failed_stream"][-1]) == "failed"
    assert "the model fell over" in text_of(got["failed_stream"][-1]["status"]["message"]["parts"])
    assert got["no_task"]["code"] == -32001 and got["follow_up"]["code"] == -32004 and got["cancel_again"]["code"] == -32002
    assert got["got"]["id"] == got["send"]["id"] and state(got["got"]) == "completed"
    check_long_tasks(world, got)
    if version == "1.0":
        assert len(got["list"]["tasks"]) == 3 and got["list"]["totalSize"] >= 5 and got["list"]["nextPageToken"]
        assert not got["list"]["tasks"][0]["artifacts"] and not got["list"]["tasks"][0]["history"]


def check_long_tasks(world, got):
    """The task that was begun, watched, left, watched again and cancelled; and the one that ended without its client."""
    assert state(got["begun"]) in ("submitted", "working")
    assert got["subscribed"][0]["kind"] == "task" and len(got["subscribed"]) == 5 and state(got["working"]) == "working"
    assert state(got["canceled"]) == "canceled" and state(got["told"]) == "canceled"
    assert got["left_error"] == "AbortError" and state(got["left_task"]) == "completed"
    assert text_of(got["left_task"]["artifacts"][0]["parts"]) == "".join(f"w{i} " for i in range(40))
    wait_until(lambda: world.state()["open"] == 0, what="the model hears of the cancelled task")
    assert world.state()["left"] == 1, json.dumps(world.state())
