"""The API over TCP: tokens by the CLI, taken ports, foreign Host headers, what stays of a token on disk."""
import contextlib
import http.client
import json
import signal
import socket

from conftest import wait_until


def call(address, path, method="GET", **headers):
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null"), dict(answer.getheaders())
    finally:
        connection.close()


def address_of(reeve):
    host, port = reeve.get("/api/server")["listen"].split(":")
    return host, int(port)


def test_token_life(bare):
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    token = bare.run("token", "create", "ci", "--role", "operator", "--expires", "30d").stdout.strip()
    address = address_of(bare)
    url = "http://%s:%d" % address
    status, problem, headers = call(address, "/api/nodes")
    assert (status, problem["code"]) == (401, "unauthenticated") and headers["WWW-Authenticate"].startswith("Bearer")
    assert call(address, "/nothing/here")[0] == 401  # strangers learn nothing of what there is
    assert call(address, "/healthz")[0] == 200
    assert call(address, "/api/nodes", Authorization=f"Bearer {token}")[0] == 200
    assert call(address, "/api/nodes", X_API_Key=token)[0] == 200
    assert "desk" not in bare.run("--server", url, "ps", REEVE_TOKEN=token).stdout
    refused = bare.run("--server", url, "token", "list", REEVE_TOKEN=token, code=13)
    assert "admin" in refused.stderr and "token 'ci'" in refused.stderr
    for place in [*bare.data.glob("reeve.db*"), bare.directory / "server.out"]:
        assert token.encode() not in place.read_bytes(), place
    bare.kill_server()
    bare.start(REEVE_LISTEN="127.0.0.1:0")  # kept over restarts
    address = address_of(bare)
    assert call(address, "/api/nodes", X_API_Key=token)[0] == 200
    assert "ci" in bare.run("token", "list").stdout
    bare.run("token", "revoke", "ci")
    assert call(address, "/api/nodes", X_API_Key=token)[0] == 401
    bare.run("token", "revoke", "ci", code=4)


def test_token_expires(bare):
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    token = bare.run("token", "create", "short", "--role", "viewer", "--expires", "1s").stdout.strip()
    wait_until(lambda: call(address_of(bare), "/api/nodes", X_API_Key=token)[0] == 401, what="the token expires")
    assert "over" in bare.run("token", "list").stdout


def test_token_file(bare):
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    url = "http://%s:%d" % address_of(bare)
    file = bare.directory / "token"
    file.write_text(bare.run("token", "create", "file", "--role", "viewer").stdout)
    file.chmod(0o644)
    assert "chmod 600" in bare.run("ps", REEVE_SERVER=url, REEVE_TOKEN_FILE=str(file), code=13).stderr
    file.chmod(0o600)
    bare.run("ps", REEVE_SERVER=url, REEVE_TOKEN_FILE=str(file))
    bare.run("ps", REEVE_SERVER=url, code=16)
    bare.run("ps", REEVE_SERVER="ftp://127.0.0.1", code=2)


def test_up_over_tcp(bare):
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    url = "http://%s:%d" % address_of(bare)
    token = bare.run("token", "create", "ops", "--role", "operator").stdout.strip()
    job = bare.job("job: {name: far}\nagents: [{id: a, command: [sleep, '1000']}]\ntopology: {type: dynamic}\n")
    far = {"REEVE_SERVER": url, "REEVE_TOKEN": token}
    bare.run("up", "-d", job, **far)
    assert "running" in bare.run("status", "far", **far).stdout
    assert bare.get("/api/deployments/far/history")["rollouts"][0]["actor"] == "token:ops"
    bare.run("down", "far", **far)


def test_a_job_file_of_full_size(bare):
    """What `validate` takes can be brought up: the text and what it resolves to are one body of more than 16 MiB. Only who may deploy may send so much."""
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    address = address_of(bare)
    far = {"REEVE_SERVER": "http://%s:%d" % address, "REEVE_TOKEN": bare.run("token", "create", "ops", "--role", "operator").stdout.strip()}
    viewer = bare.run("token", "create", "eyes", "--role", "viewer").stdout.strip()
    words = "# " + "x" * 7_000_000 + "\n"
    job = bare.job(words + "job: {name: big}\nagents: [{id: a, command: [sleep, '1000']}]\ntopology: {type: dynamic}\n")
    bare.run("validate", job)
    bare.run("up", "-d", job)
    assert bare.instances("big")["a"]["state"] == "running"
    bare.run("up", "-d", job, **far)
    for headers in ({}, {"X-API-Key": viewer}):
        connection = http.client.HTTPConnection(*address, timeout=10)
        connection.putrequest("POST", "/api/deployments")
        connection.putheader("Content-Length", "2000000")
        for key, value in headers.items():
            connection.putheader(key, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413 and "1048576 bytes" in json.loads(answer.read())["detail"], headers
        connection.close()


def test_foreign_host_header(bare):
    """A page that lured a browser here by a name of its own is refused whatever it sends."""
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    token = bare.run("token", "create", "a", "--role", "admin").stdout.strip()
    address = address_of(bare)
    for host in ("evil.example", f"evil.example:{address[1]}", "localhost.evil.example", f"localhost:{address[1] + 1}"):
        assert call(address, "/api/nodes", Host=host, X_API_Key=token)[0] == 403, host
        assert call(address, "/healthz", Host=host)[0] == 403, host
    assert call(address, "/api/nodes", Host=f"localhost:{address[1]}", X_API_Key=token)[0] == 200
    assert b'reeve_auth_failures_total{reason="host"} 8' in bare.get("/metrics")


def test_wrong_tokens_are_limited(bare):
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    token = bare.run("token", "create", "a", "--role", "viewer").stdout.strip()
    address = address_of(bare)
    statuses = [call(address, "/api/nodes", X_API_Key="reeve_guess")[0] for _ in range(30)]
    assert statuses[:10] == [401] * 10 and 429 in statuses
    status, _, headers = call(address, "/api/nodes", X_API_Key="reeve_guess")
    assert status in (401, 429) and (status == 401 or headers["Retry-After"] == "1")
    assert call(address, "/api/nodes", X_API_Key=token)[0] == 200  # its holder is not locked out
    assert "reeve_guess" not in (bare.directory / "server.out").read_text()


def test_taken_port(bare):
    with contextlib.closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused = bare.run("server", "--listen", f"127.0.0.1:{port}", code=5)
        assert str(port) in refused.stderr
        usual = holder_of_default()
        bare.environment.pop("REEVE_LISTEN")
        bare.start()
        assert bare.get("/api/server")["listen"] is None and "7373" in bare.get("/api/server")["listen_note"]
        assert "7373" in bare.run("server", "status").stdout
        assert "not served over TCP" in (bare.directory / "server.out").read_text()
        usual.close()
    bare.kill_server(signal.SIGTERM)
    bare.run("server", "--listen", "nonsense", code=2)


def holder_of_default():
    usual = socket.socket()
    usual.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):  # somebody else's server may hold it: all the better
        usual.bind(("127.0.0.1", 7373))
        usual.listen()
    return usual


def test_a_proxy_may_have_its_own_authorization(bare):
    """X-API-Key counts beside an Authorization that is meant for somebody else, at agents and at the server; alone such a one is none of ours."""
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    token = bare.run("token", "create", "a", "--role", "viewer").stdout.strip()
    address = address_of(bare)
    assert call(address, "/api/nodes", Authorization="Basic dTpw", X_API_Key=token)[0] == 200
    assert call(address, "/api/nodes", Authorization=f"Bearer {token}", X_API_Key="reeve_wrong")[0] == 401
    assert call(address, "/api/nodes", Authorization="Basic dTpw")[0] == 401
    assert call(address, "/api/x%20peer=1.2.3.4", Authorization="Bearer reeve_wrong")[0] == 401
    assert 'path="/api/x%20peer=1.2.3.4"' in (bare.directory / "server.out").read_text()  # no field of its own


def test_a_token_in_clear_is_told(bare):
    """By http to another machine; not to this one, not by https, and not without a token."""
    token = {"REEVE_TOKEN": "reeve_x"}
    for url, env, told in (("http://127.evil.invalid:1", token, True), ("http://127.0.0.1:1", token, False), ("http://[::1]:1", token, False),
                           ("https://127.evil.invalid:1", token, False), ("http://127.evil.invalid:1", {}, False)):
        done = bare.run("ps", REEVE_SERVER=url, code=None, XDG_CONFIG_HOME=str(bare.directory), **env)
        assert ("in clear" in done.stderr) == told, (url, done.stderr)
