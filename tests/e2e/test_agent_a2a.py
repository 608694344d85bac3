"""The A2A door where clients are less well-behaved than its own SDKs: only the base URL, null members, pages, readers that do not read."""
import json
import socket

import pytest
from agent_world import world  # noqa: F401 (a fixture)
from conftest import wait_until

ECHO = '[agent]\nname = "Echo"\ndescription = "says it again"\n[llm]\nprovider = "command"\ncommand = ["cat"]\n'
# A MiB of bytes that JSON writes as six each: with a question of the same kind a task larger than what the kernel and we keep for a reader.
LARGE = '[agent]\nname = "Large"\n[llm]\nprovider = "command"\ncommand = ["sh", "-c", "head -c 1040000 /dev/zero | tr \'\\\\0\' \'\\\\1\'"]\n'


def send(text, **configuration):
    return {"jsonrpc": "2.0", "id": 1, "method": "SendMessage",
            "params": {"message": {"role": "ROLE_USER", "messageId": text, "parts": [{"text": text}]}, "configuration": configuration}}


def test_the_base_url_and_what_is_null(world):
    agent = world.serve(toml=ECHO)
    for path in ("/a2a", "/"):
        status, answer, _ = agent.request("POST", path, send("hello", taskPushNotificationConfig=None))
        assert status == 200 and answer["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED", answer
        assert agent.request("POST", path, "{")[1]["error"]["code"] == -32700
        assert agent.request("POST", path, {"jsonrpc": "2.0", "id": 1, "method": "sing"})[1]["error"]["code"] == -32601
    assert agent.request("POST", "/elsewhere", send("x"))[0] == 404
    pushed = agent.rpc("SendMessage", {"message": send("p")["params"]["message"], "configuration": {"taskPushNotificationConfig": {"url": "http://x/"}}})
    assert pushed["error"]["code"] == -32003
    card, older = agent.get("/.well-known/agent-card.json"), agent.get("/.well-known/agent.json")
    assert card == older and [skill["description"] for skill in card["skills"]] == ["says it again"]


def test_pages(world):
    agent = world.serve(toml=ECHO)
    assert agent.rpc("ListTasks", {})["result"] == {"tasks": [], "nextPageToken": "", "pageSize": 0, "totalSize": 0}
    for number in range(3):
        agent.post("/a2a", send(f"m{number}"))
    first = agent.rpc("ListTasks", {"pageSize": "2"})["result"]  # protobuf's JSON may write numbers as texts
    assert (len(first["tasks"]), first["pageSize"], first["totalSize"]) == (2, 2, 3) and first["nextPageToken"]
    second = agent.rpc("ListTasks", {"pageSize": 2, "pageToken": first["nextPageToken"]})["result"]
    assert (len(second["tasks"]), second["pageSize"], second["totalSize"], second["nextPageToken"]) == (1, 1, 3, "")
    assert agent.rpc("ListTasks", {"pageToken": "invalid-token"})["error"]["code"] == -32602


@pytest.mark.asan
def test_a_reader_that_does_not_read_a_large_task(world):
    """It is given up within the call that opened its stream; the task and the agent live on."""
    agent = world.serve(toml=LARGE)
    question = send("much")
    question["params"]["message"]["parts"][0]["text"] = "\1" * 165000
    task = agent.post("/a2a", question)[1]["result"]["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED" and len(task["artifacts"][0]["parts"][0]["text"]) == 1040000
    body = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tasks/resubscribe", "params": {"id": task["id"]}}).encode()
    for count in range(1, 4):
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", agent.port))
            peer.sendall(b"POST /a2a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            wait_until(lambda: agent.log.read_text().count("reader is too slow") == count, what="the reader is given up")
    assert agent.rpc("GetTask", {"id": task["id"]})["result"]["status"]["state"] == "TASK_STATE_COMPLETED"
