"""Tools of an agent: MCP servers made with the SDK that others wrote, sub-agents, the agents of a job; the limits of the loop that calls them."""
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import time

import pytest

from agent_world import HERE, NPM, world  # noqa: F401  pylint: disable=unused-import
from conftest import BIN, ROOT, alive, own_examples, wait_until


def install():
    if not (NPM / ".installed").exists():
        subprocess.run([ROOT / "tests/npm/install"], check=True, timeout=300)


def stdio(more="", name="sdk"):
    install()
    return f'[mcp_servers.{name}]\ncommand = "node"\nargs = ["{HERE}/mcp_server.mjs", "{NPM}", "stdio"]\n{more}\n'


class HttpServer:
    """The SDK's server by Streamable HTTP."""

    def __init__(self):
        install()
        self.process = subprocess.Popen(["node", HERE / "mcp_server.mjs", NPM, "http"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def toml(self, more=""):
        return f'[mcp_servers.sdk]\ntype = "http"\nurl = "http://127.0.0.1:{self.port}/mcp"\n{more}\n'

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def sdk_http():
    server = HttpServer()
    yield server
    server.close()


def ready(agent):
    return wait_until(lambda: agent.get("/status")["tools"], what="the tools are there")


def asked(agent, text, headers=None, status=200):
    got, body = agent.post("/prompt", {"prompt": text}, headers)
    assert got == status, (got, body)
    return body["response"] if status == 200 else body["detail"]


def tool(agent, name, **arguments):
    return asked(agent, f"@tool {name} {json.dumps(arguments)}").removeprefix("the tool said: ")


@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_sdk_by_stdio(world, provider):
    agent = world.serve(provider=provider, more=stdio())
    assert set(ready(agent)) == {"sdk_add", "sdk_fail", "sdk_slow", "sdk_grow", "sdk_structured", "sdk_large", "sdk_state", "sdk_leave"}
    assert tool(agent, "sdk_add", a=2, b=40) == "2 + 40 = 42"
    offered = {t["function"]["name"]: t["function"] for t in world.state()["last"]["tools"]}
    assert offered["sdk_add"]["description"] == "adds two numbers"
    assert set(offered["sdk_add"]["parameters"]["properties"]) == {"a", "b"}
    assert "the disk is on fire" in tool(agent, "sdk_fail")
    assert "nvalid" in tool(agent, "sdk_add", a="two", b=1)
    assert tool(agent, "sdk_structured") == '{"n":7}'
    assert tool(agent, "sdk_grow") == "grown"
    wait_until(lambda: "sdk_grown" in agent.get("/status")["tools"], what="the new tool is there")
    assert tool(agent, "sdk_grown") == "here I am"
    assert tool(agent, "sdk_nothing") == "there is no tool 'sdk_nothing'"
    status = agent.get("/status")["mcp_servers"]
    assert status == [{"name": "sdk", "status": "ready", "tools": 9, "restarts": 0, "error": None}]
    log = agent.log.read_text()
    assert re.search(r"tool call tool=sdk_add outcome=ok duration_ms=\d+ bytes=11", log) and "2 + 40" not in log


def test_sdk_by_http(world, sdk_http):
    agent = world.serve(more=sdk_http.toml('headers = { Authorization = "Bearer ${SDK_KEY}" }'), environment={"SDK_KEY": "s3cret"})
    ready(agent)
    assert tool(agent, "sdk_add", a=2, b=40) == "2 + 40 = 42"
    assert "the disk is on fire" in tool(agent, "sdk_fail")
    assert tool(agent, "sdk_grow") == "grown"
    wait_until(lambda: "sdk_grown" in agent.get("/status")["tools"], what="the new tool is there")
    seen = sdk_http.get("/stand-in")
    assert seen["versions"][0] is None and set(seen["versions"][1:]) == {"2025-11-25"}
    assert set(seen["keys"]) == {"Bearer s3cret"} and "s3cret" not in agent.log.read_text()
    sdk_http.get("/forget")
    assert tool(agent, "sdk_add", a=1, b=1) == "1 + 1 = 2"
    assert sdk_http.get("/stand-in")["opened"] == 2
    agent.stop()
    assert sdk_http.get("/stand-in")["closed"] == 1  # given back at the end


def test_server_away_and_back(world, sdk_http):
    """An HTTP server that dies: its tools are missing, the agent answers on."""
    agent = world.serve(more=sdk_http.toml())
    ready(agent)
    sdk_http.close()
    assert "MCP server 'sdk'" in tool(agent, "sdk_add", a=1, b=1)
    wait_until(lambda: not agent.get("/status")["tools"], what="its tools are missing")
    assert asked(agent, "hello") == "echo: hello"
    assert wait_until(lambda: "refused" in agent.get("/status")["mcp_servers"][0]["error"], what="the reason of the next try")


def children(agent):
    return [int(pid) for pid in open(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children", encoding="ascii").read().split()]


def test_dies_in_the_middle(world):
    agent = world.serve(more=stdio())
    ready(agent)
    said = tool(agent, "sdk_leave")
    assert said == "MCP server 'sdk': it ended with code 9: I have had enough"
    ready(agent)
    assert agent.get("/status")["mcp_servers"][0]["restarts"] == 1
    (pid,) = children(agent)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: agent.get("/status")["mcp_servers"][0]["restarts"] == 2 and agent.get("/status")["tools"], what="it is back")
    assert tool(agent, "sdk_add", a=1, b=2) == "1 + 2 = 3"
    (pid,) = children(agent)
    agent.stop()
    assert not alive(pid)


def test_limits_of_the_loop(world):
    agent = world.serve(llm="request_timeout = 3", more=stdio())
    ready(agent)
    detail = asked(agent, "@tools", status=502)
    assert "more than 8 rounds" in detail, detail
    began = time.monotonic()
    asked(agent, '@tool sdk_slow {"ms": 60000}', status=504)
    assert time.monotonic() - began < 30
    said = tool(agent, "sdk_large")
    assert len(said) < 300_000 and said.endswith("[cut: the output has 600000 bytes, this is its beginning]")
    assert tool(agent, "sdk_slow", ms=10) == "after 10 ms"
    assert json.loads(tool(agent, "sdk_state"))["cancelled"] == 1
    text = agent.request("GET", "/metrics")[1]
    assert 'reeve_agent_tool_calls_total{tool="sdk_slow",outcome="ok"} 1' in text, text


def test_time_of_one_call(world):
    stand_in = ROOT / "tests/unit/agent/mcp_stand_in.py"
    agent = world.serve(more=f'[mcp_servers.s]\ncommand = "python3"\nargs = ["-S", "{stand_in}"]\ntimeout = 6\n')
    ready(agent)
    restarts = agent.get("/status")["mcp_servers"][0]["restarts"]  # a slow machine may have needed a second start
    assert tool(agent, "s_never") == "no answer within 6000 ms"
    assert tool(agent, "s_echo", text="alive") == "alive"
    assert agent.get("/status")["mcp_servers"][0]["restarts"] == restarts  # it answered the ping


def test_client_leaves(world):
    """Nobody waits any more: the tool is told to stop."""
    agent = world.serve(more=stdio())
    ready(agent)
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=10)
    connection.request("POST", "/prompt", json.dumps({"prompt": '@tool sdk_slow {"ms": 60000}'}), {"Content-Type": "application/json"})
    wait_until(lambda: json.loads(tool(agent, "sdk_state"))["started"] == 1, what="the tool is at work")
    connection.close()
    wait_until(lambda: agent.in_flight() == 0, what="the question is over")
    wait_until(lambda: json.loads(tool(agent, "sdk_state"))["cancelled"] == 1, what="the tool was told")
    assert "outcome=cancelled" in agent.log.read_text()


def test_agent_asks_agent(world):
    worker = world.serve(name="Worker")
    boss = world.serve(name="Boss", more=f'[sub_agents.worker]\nurl = "{worker.url}"\n')
    ready(boss)
    assert tool(boss, "ask_worker", text="how are you?") == "echo: how are you?"
    assert worker.get("/status")["requests"] == 1
    assert asked(boss, '@tool ask_worker {"text": "x"}', {"X-Reeve-Depth": "7"}) == "the tool said: echo: x"
    assert "too many agents" in asked(boss, '@tool ask_worker {"text": "x"}', {"X-Reeve-Depth": "8"})
    worker.stop()
    assert "agent 'worker' gave no answer: connection refused" in tool(boss, "ask_worker", text="still there?")


def test_keys_between_agents(world, tmp_path):
    """An agent that wants a key opens to the secret of its job and to nobody without it; MCP servers are not given it."""
    peers, key = tmp_path / "peers.json", "the secret of the job"
    worker = world.serve(name="Worker", environment={"AGENT_AUTH_REQUIRED": "true", "AGENT_API_KEY": "for people only, no peers", "AGENT_PEER_KEY": key})
    peers.write_text(json.dumps([{"id": "worker", "role": "", "urls": [worker.url]}]))
    friend = world.serve(name="Friend", environment={"AGENT_PEERS_FILE": str(peers), "AGENT_PEER_KEY": key})
    stranger = world.serve(name="Stranger", environment={"AGENT_PEERS_FILE": str(peers)})
    assert tool(friend, "ask_worker", text="hello") == "echo: hello"
    assert "HTTP status 401" in tool(stranger, "ask_worker", text="hello")
    assert all(key not in agent.log.read_text() for agent in (worker, friend, stranger))


def test_circle_ends(world, tmp_path):
    """An agent that asks itself, which asks itself...: the circle ends at its depth, and everybody gets an answer."""
    peers = tmp_path / "peers.json"
    mirror = world.serve(name="Mirror", llm="concurrency = 20", environment={"AGENT_PEERS_FILE": str(peers)})
    assert mirror.get("/status")["tools"] == []
    peers.write_text(json.dumps([{"id": "self", "role": "", "urls": [mirror.url]}]))
    assert mirror.get("/status")["tools"] == ["ask_self"]
    question = "x"
    for _ in range(12):
        question = "@tool ask_self " + json.dumps({"text": question})
    said = asked(mirror, question)
    assert "passed through too many agents" in said, said
    assert mirror.get("/status")["requests"] == 9


def test_refused_hosts(world):
    agent = world.serve(more='[mcp_servers.far]\nurl = "https://mcp.example/mcp"\n[sub_agents.meta]\nurl = "http://169.254.169.254/"\n',
                        environment={"AGENT_ALLOWED_HOSTS": "localhost,127.0.0.1"})
    status = agent.get("/status")
    assert "host 'mcp.example' is not allowed; add it to AGENT_ALLOWED_HOSTS" in status["mcp_servers"][0]["error"]
    assert status["tools"] == []
    assert "link-local" in tool(agent, "ask_meta", text="secrets?")


def test_problems_of_the_file(world, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text('[agent]\nname = "a"\n[llm]\ncommand = ["cat"]\n[mcp_servers.x]\ncomand = "y"\n')
    done = subprocess.run([BIN, "agent", "serve", "--port", "0", "--agent", file], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 3
    assert f"{file}:6:1: error: 'mcp_servers.x.comand': unknown key; did you mean 'command'?" in done.stderr


JOB = """job: {name: desk, version: "1.0.0"}
agents:
  - {id: news, reeve: {agent: news.toml}}
  - {id: stats, reeve: {agent: stats.toml}}
  - {id: boss, reeve: {agent: boss.toml}}
topology: {type: hub-spoke, hub: boss, spokes: [news, stats]}
deployment: {timeout: 30}
execution: {entry_point: boss}
"""


def test_hub_asks_its_workers(world, bare):
    """In a job the connected agents are tools; a worker that is replaced stays reachable."""
    for name in ("news", "stats", "boss"):
        (bare.directory / f"{name}.toml").write_text(world.toml(name=name.title()).replace('description = "answers"', f'description = "knows {name}"'))
    bare.start()
    bare.run("up", "-d", bare.job(JOB))
    said = bare.run("prompt", "desk", '@tool ask_news {"text": "what is new?"}').stdout
    assert said.strip() == "the tool said: echo: what is new?"
    offered = {t["function"]["name"]: t["function"]["description"] for t in world.state()["last"]["tools"]}
    assert set(offered) == {"ask_news", "ask_stats"}
    os.kill(bare.instances("desk")["stats"]["pid"], signal.SIGKILL)
    wait_until(lambda: bare.instances("desk")["stats"]["restarts"] == 1 and bare.instances("desk")["stats"]["state"] == "running", what="the worker is back")
    said = wait_until(lambda: (text := bare.run("prompt", "desk", '@tool ask_stats {"text": "back?"}').stdout.strip()) == "the tool said: echo: back?" and text,
                      what="the worker answers again")


def test_example_brains(bare):
    examples = own_examples(bare.directory)
    bare.run("up", "-d", examples / "brains/job.yaml", OLLAMA_URL="", OPENAI_URL="")
    assert "that were 2 words" in bare.run("prompt", "brains/command", "hello there").stdout
    for name in ("ollama", "openai"):
        assert bare.run("prompt", f"brains/{name}", "hello there").stdout.strip() == "(recorded) You said: hello there"
    assert "no model is here" in bare.run("logs", "brains", "model").stdout


def test_example_research_desk(bare):
    """Five agents, two MCP servers and a program answer one question; a tool that dies is back for the next."""
    examples = own_examples(bare.directory)
    bare.run("up", "-d", examples / "research-desk/job.yaml")

    def ask(question):
        return bare.run("prompt", "research-desk", question).stdout.strip()

    wanted = ("(recorded) Here is what we know. The note: Visitors of the library in spring: March 120, April 150, May 180. "
              "The statistician: 3 numbers, together 450.0, on average 150.0. The checker: 3 numbers checked, all sound.")
    assert wait_until(lambda: (said := ask("How many visitors had the library in spring?")) == wanted and said, what="all tools are there")
    log = bare.run("logs", "research-desk").stdout
    for name in ("ask_librarian", "ask_statistician", "ask_checker", "ask_writer", "library_search", "library_read", "numbers_sum"):
        assert f"tool={name} outcome=ok" in log, (name, log)
    server = int(re.findall(r"library is ready, process (\d+)", log)[-1])
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: len(re.findall(r"library is ready, process", bare.run("logs", "research-desk", "librarian").stdout)) == 2, what="it was started again")
    assert wait_until(lambda: "40 novels" in ask("How many new books?"), what="it answers again")
    bare.run("down", "research-desk")
    assert not alive(server)
