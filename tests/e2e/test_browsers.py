"""What web pages may do to agents and to the server, and who needs a key: the requests that browsers send, by hand."""
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess

import pytest
from agent_world import world  # noqa: F401 (fixture)
from conftest import BIN, wait_until

EVIL, APP = "https://evil.example", "https://app.example"
PAGE = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
DOORS = {"/prompt": {"prompt": "hi"}, "/query": {"query": "hi"}, "/api/generate": {"prompt": "hi", "stream": False},
         "/api/chat": {"messages": [{"role": "user", "content": "hi"}], "stream": False}, "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
         "/a2a": {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}}}


def send(address, method, path, body=None, headers=None):
    """(status, text, headers) of a request with exactly these headers; a body that is no text is JSON."""
    connection = http.client.HTTPConnection(*address, timeout=20)
    with contextlib.closing(connection):
        text = body if isinstance(body, (str, type(None))) else json.dumps(body)
        connection.request(method, path, text, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


def here(agent):
    return "127.0.0.1", agent.port


@pytest.mark.asan
def test_no_page_uses_or_stops_an_agent(world):
    agent = world.serve()
    asked = world.state()["came"]
    own = f"http://127.0.0.1:{agent.port}"
    foreign = [PAGE, {**PAGE, "Content-Type": "application/json"}, {"Origin": EVIL}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, {"Origin": "http://localhost:3000"},
               {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": own + ".evil.example"}, {"Origin": own, "Sec-Fetch-Site": "cross-site"},
               {"Origin": f"http://127.0.0.1.evil.example:{agent.port}"}, {"Origin": "file://"}, {"Origin": ""}]
    for path in [*DOORS, "/shutdown"]:
        for headers in foreign:
            status, text, sent = send(here(agent), "POST", path, DOORS.get(path, "x"), headers)
            assert status == 403, (path, headers, status, text)
            assert "web page" in text and "Access-Control-Allow-Origin" not in sent, (path, headers, text)
    assert send(here(agent), "DELETE", "/api/sessions/x", headers={"Origin": EVIL})[0] == 403
    assert send(here(agent), "POST", "/prompt", DOORS["/prompt"], {"Origin": own, "Content-Type": "text/plain"})[0] == 415
    assert send(here(agent), "OPTIONS", "/prompt", headers={"Origin": EVIL, "Access-Control-Request-Method": "POST"})[0] == 405
    assert world.state()["came"] == asked and agent.process.poll() is None  # the model was never asked, the agent is there
    # A page of the agent's own, whatever port stands in between, and reading: what it says is kept from the page by the browser.
    for headers in ({"Origin": own}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert send(here(agent), "POST", "/prompt", DOORS["/prompt"], {**headers, "Content-Type": "application/json; charset=utf-8"})[0] == 200, headers
    assert send(here(agent), "GET", "/health", headers=PAGE)[0] == 200
    # Programs say neither Origin nor Sec-Fetch-Site: curl -d, the seeds' clients, Node's fetch.
    for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, {}, {"Content-Type": "text/plain;charset=UTF-8", "Sec-Fetch-Mode": "cors"}):
        for path, body in DOORS.items():
            assert send(here(agent), "POST", path, body, headers)[0] == 200, (path, headers)


def test_a_listed_page_is_let_in(world):
    agent = world.serve(more=f'[server]\nallowed_origins = ["{APP}", "http://localhost:5173"]\nauth = "key"\n', environment={"AGENT_API_KEY": "a key of the tests"})
    ask = {"Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
           "Access-Control-Request-Private-Network": "true", "Sec-Fetch-Site": "cross-site"}
    status, text, headers = send(here(agent), "OPTIONS", "/v1/chat/completions", headers=ask)
    assert status == 204 and not text and headers["Access-Control-Allow-Origin"] == APP and "POST" in headers["Access-Control-Allow-Methods"], headers
    assert headers["Access-Control-Allow-Headers"] == ask["Access-Control-Request-Headers"] and headers["Access-Control-Allow-Private-Network"] == "true"
    assert headers["Vary"] == "Origin" and "Access-Control-Allow-Credentials" not in headers
    page = {"Origin": APP, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}
    for more, wanted in (({}, 401), ({"X-API-Key": "a key of the tests"}, 200)):  # a list is no key
        for path, body in (("/v1/chat/completions", DOORS["/v1/chat/completions"]), ("/v1/chat/completions", {**DOORS["/v1/chat/completions"], "stream": True})):
            status, _, headers = send(here(agent), "POST", path, body, {**page, **more})
            assert status == wanted and headers.get_all("Access-Control-Allow-Origin") == [APP] and headers["Vary"] == "Origin", (path, status, headers)
    status, _, headers = send(here(agent), "POST", "/v1/chat/completions", "x" * (9 << 20), {**page, "X-API-Key": "a key of the tests"})
    assert status == 413 and headers["Access-Control-Allow-Origin"] == APP
    assert send(here(agent), "POST", "/prompt", DOORS["/prompt"], {**page, "Content-Type": "text/plain"})[0] == 415
    for origin in (EVIL, APP + ".evil.example", "http://app.example", APP + ":8443"):
        status, _, headers = send(here(agent), "OPTIONS", "/prompt", headers={**ask, "Origin": origin})
        assert status in (401, 405) and "Access-Control-Allow-Origin" not in headers and headers["Vary"] == "Origin", origin
        assert send(here(agent), "POST", "/prompt", DOORS["/prompt"], {**page, "Origin": origin})[0] == 403, origin
    bad = world.directory / "bad.toml"
    for line, says in (('allowed_origins = ["*"]', "allowed_origins"), ('allowed_origins = ["https://a.example/x"]', "allowed_origins"), ('auth = "maybe"', "key or none"),
                       ('auth = "none"\napi_key_env = "X"', "auth"), ('public_url = "agent.example"', "public_url")):
        bad.write_text(world.toml(more="[server]\n" + line))
        done = subprocess.run([BIN, "agent", "serve", "--port", "0", "--agent", bad], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 3 and says in done.stderr, (line, done.stderr)


def test_names_and_urls_of_an_agent(world):
    """AGENT_ALLOWED_HOSTS is the list of hosts that an agent may call; who may call the agent by which name is another matter."""
    agent = world.serve(more='[server]\nhost_names = ["desk.example"]\n', environment={"AGENT_ALLOWED_HOSTS": "mcp.example", "AGENT_HOST_NAMES": "one.example, two.example"})
    for name, wanted in (("localhost", 200), ("127.0.0.1:1", 200), ("[::1]:1", 200), ("desk.example:80", 200), ("two.example", 200), ("TWO.example", 200), ("mcp.example", 403),
                         ("evil.example", 403), ("localhost.evil.example", 403), ("127.evil.example", 403), ("", 403), ("localhost:x", 403)):
        assert send(here(agent), "GET", "/health", headers={"Host": name})[0] == wanted, name
    card = "/.well-known/agent-card.json"
    said = lambda **headers: json.loads(send(here(agent), "GET", card, headers={key.replace("_", "-"): value for key, value in headers.items()})[1])["url"]  # noqa: E731
    assert said(Host="desk.example") == "http://desk.example/a2a"
    assert said(Host="desk.example", X_Forwarded_Proto="https") == "https://desk.example/a2a"  # a proxy on this machine ends TLS
    assert said(Host="desk.example", X_Forwarded_Proto="gopher") == "http://desk.example/a2a"
    public = world.serve(more='[server]\npublic_url = "https://desk.example/agents/one/"\n')
    for path in (card, "/.well-known/agent-configuration"):
        body = json.loads(send(here(public), "GET", path, headers={"Host": "desk.example"})[1])
        assert body["url"] == "https://desk.example/agents/one" + ("/a2a" if path == card else ""), body


def serve_beyond(world, more="", environment=None, code=None):
    directory = world.directory / f"beyond{len(list(world.directory.glob('beyond*')))}"
    directory.mkdir()
    (directory / "agent.toml").write_text(world.toml(more=more))
    environment = {key: value for key, value in {**os.environ, **(environment or {})}.items() if key not in ("AGENT_API_KEY", "AGENT_PEER_KEY") or key in (environment or {})}
    with open(directory / "agent.log", "wb") as log:
        process = subprocess.Popen([BIN, "agent", "serve", "--host", "0.0.0.0", "--port", "0", "--agent", directory / "agent.toml"], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, env=environment)
    log = directory / "agent.log"
    if code is not None:
        assert process.wait(timeout=20) == code, log.read_text()
        return log.read_text()
    found = wait_until(lambda: re.search(r"url=http://localhost:(\d+)", log.read_text()) or process.poll() is not None, what="the agent listens")
    assert found is not True, log.read_text()
    return process, ("127.0.0.1", int(found[1]))


def test_beyond_loopback_a_key_is_needed(world):
    refused = serve_beyond(world, code=3)
    assert "listens beyond loopback" in refused and 'auth = "none"' in refused and "AGENT_API_KEY" in refused
    assert "too short" in serve_beyond(world, environment={"AGENT_API_KEY": "fifteen letters"}, code=3)
    process, address = serve_beyond(world, environment={"AGENT_PEER_KEY": "the key that the peers share"})
    try:
        for path in ("/health", "/.well-known/agent-card.json", "/.well-known/agent-configuration"):
            assert send(address, "GET", path)[0] == 200
        assert json.loads(send(address, "GET", "/.well-known/agent-card.json")[1])["security"]
        for path, body in DOORS.items():
            assert send(address, "POST", path, body)[0] == 401, path
            assert send(address, "POST", path, body, {"X-API-Key": "the key that the peers share"})[0] == 200, path
        assert send(address, "GET", "/status")[0] == 401 and send(address, "POST", "/shutdown")[0] == 401
    finally:
        process.terminate()
        process.wait(timeout=20)
    process, address = serve_beyond(world, more='[server]\nauth = "none"\n')
    try:
        assert send(address, "POST", "/prompt", DOORS["/prompt"])[0] == 200
        assert send(address, "POST", "/prompt", DOORS["/prompt"], {"Host": "agent-in-a-container:8100"})[0] == 200
        # Without a key a name that somebody bound to our address would be a way in for his pages.
        rebound = f"evil.example:{address[1]}"
        assert send(address, "POST", "/prompt", DOORS["/prompt"], {"Host": rebound, "Origin": f"http://{rebound}", "Content-Type": "application/json"})[0] == 403
        assert send(address, "POST", "/prompt", DOORS["/prompt"], PAGE)[0] == 403
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_what_a_proxy_passes_on_is_not_of_this_machine(world):
    agent = world.serve(environment={"AGENT_PEER_KEY": "the key that the peers share"})
    assert send(here(agent), "GET", "/status")[0] == 200
    for headers in ({"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}):
        assert send(here(agent), "GET", "/status", headers=headers)[0] == 401
        assert send(here(agent), "GET", "/status", headers={**headers, "Authorization": "Bearer the key that the peers share"})[0] == 200
    open_one = world.serve(more='[server]\nauth = "none"\n')
    assert send(here(open_one), "GET", "/status", headers={"X-Forwarded-For": "203.0.113.9"})[0] == 200


def test_careless_paths_and_large_bodies(world):
    agent = world.serve()
    chat = DOORS["/v1/chat/completions"]
    for path in ("//v1/chat/completions", "/v1/chat/completions/", "/v1//chat//completions//"):
        assert send(here(agent), "POST", path, chat)[0] == 200, path
    for path in ("/v1/models/", "//api/tags/", "/v1/models/Desk", "/v1/models/%44esk", "/health/", "//health"):
        assert send(here(agent), "GET", path)[0] == 200, path
    for path in ("/v1%2Fmodels", "/%761/models", "/v1/models%2F"):
        assert send(here(agent), "GET", path)[0] == 404, path
    status, text, _ = send(here(agent), "GET", "/v1/nothing")
    assert status == 404 and json.loads(text)["error"]["message"], text
    status, text, _ = send(here(agent), "POST", "/api/nothing", {})
    assert status == 404 and isinstance(json.loads(text)["error"], str), text
    assert json.loads(send(here(agent), "GET", "/nothing")[1])["code"] == "not-found"
    long = {"messages": [{"role": "system", "content": "x" * (7 << 20)}, {"role": "user", "content": "hi"}]}
    assert send(here(agent), "POST", "/v1/chat/completions", long)[0] == 200  # a conversation of 7 MiB reaches the model
    for path, shape in (("/v1/chat/completions", lambda body: body["error"]["message"]), ("/api/chat", lambda body: body["error"]), ("/prompt", lambda body: body["detail"])):
        with contextlib.closing(socket.create_connection(here(agent), timeout=20)) as one:
            one.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {9 << 20}\r\n\r\n{{".encode())
            answer = http.client.HTTPResponse(one)
            answer.begin()
            assert answer.status == 413 and "8388608 bytes" in shape(json.loads(answer.read())), path
    assert agent.in_flight() == 0


def test_pages_and_the_server(bare):
    bare.server_args = ["--allow-origin", f"{APP},http://localhost:5173"]
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    token = bare.run("token", "create", "page", "--role", "admin").stdout.strip()
    host, port = bare.get("/api/server")["listen"].split(":")
    address = (host, int(port))
    key = {"X-API-Key": token, "Content-Type": "application/json"}
    for headers in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://localhost:3000"}):
        for path in ("/api/tokens", "/api/server/stop", "/start", "/no/such/path"):
            status, text, sent = send(address, "POST", path, {}, {**key, **headers})
            assert status == 403 and "web page" in text and "Access-Control-Allow-Origin" not in sent and sent["Vary"] == "Origin", (path, headers, text)
    assert b'reeve_auth_failures_total{reason="origin"} 12' in bare.get("/metrics")
    own = {"Origin": f"http://{host}:{port}", "Sec-Fetch-Site": "same-origin"}
    assert send(address, "POST", "/api/tokens", {"name": "own", "role": "viewer"}, {**key, **own})[0] == 201
    assert send(address, "POST", "/api/tokens", {"name": "x", "role": "viewer"}, {**key, **own, "Content-Type": "text/plain"})[0] == 415
    status, _, headers = send(address, "OPTIONS", "/api/deployments", headers={"Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"})
    assert status == 204 and headers["Access-Control-Allow-Origin"] == APP and headers["Access-Control-Allow-Headers"] == "x-api-key"
    page = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    for more, wanted in ((key, 201), ({}, 401)):
        status, _, headers = send(address, "POST", "/api/tokens", {"name": "app", "role": "viewer"}, {**page, "Content-Type": "application/json", **more})
        assert status == wanted and headers["Access-Control-Allow-Origin"] == APP
    both = {**key, "Authorization": "Basic b2Y6cHJveHk="}  # a proxy with a password of its own in front
    assert send(address, "GET", "/api/nodes", headers=both)[0] == 200
    assert "origin 'https://x.example/y'" in bare.run("server", "--allow-origin", "https://x.example/y", code=2).stderr


JOB = """
job: {name: desk}
agents:
  - {id: it, reeve: {agent: it.toml}}
  - {id: plain, command: [sleep, "1000"]}
topology: {type: dynamic}
"""


def test_the_key_of_deployed_agents(bare):
    (bare.directory / "it.toml").write_text('[agent]\nname = "it"\n[llm]\ncommand = ["cat"]\n[server]\nauth = "key"\n')
    bare.run("up", "-d", bare.job(JOB))
    bare.run("prompt", "desk/it", "hello", code=13)
    key = bare.run("agent", "key", "desk").stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert json.loads(bare.run("agent", "key", "desk", "-o", "json").stdout) == {"deployment": "desk", "key": key}
    assert bare.run("prompt", "desk/it", "hello", AGENT_API_KEY=key).stdout == "hello\n"
    bare.run("agent", "key", "nobody", code=4)
    assert key not in (bare.data / "server.log").read_text()
