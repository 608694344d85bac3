"""The registry where agents of a dynamic job find each other: its URL, who is in it, what agents tell, who is kept out, and what outlives what."""
import contextlib
import http.client
import json
import os
import signal
import socket
import urllib.parse

import pytest
from conftest import alive, wait_until

# Writes what it was given into a file of its directory, and listens at its port.
AGENT = """
import http.server, os, pathlib
name = os.environ["AGENT_ID"] + os.environ.get("REEVE_REPLICA", "0")
path = pathlib.Path(os.environ["WHERE"]) / name
path.with_suffix(".new").write_text(os.environ.get("AGENT_REGISTRY_URL", "none"))
path.with_suffix(".new").rename(path)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["AGENT_PORT"])), Health).serve_forever()
"""
JOB = """
job: {{name: {name}}}
environment: {{WHERE: {where}}}
agents:
  - {{id: news, command: [python3, {script}], config: {{port: auto}}, health: {{tcp: true}}, restart: {{delay: 0.1}}}}
  - {{id: stats, command: [python3, {script}], config: {{port: auto}}, replicas: 2, health: {{tcp: true}}}}
  - {{id: quiet, command: [sleep, '1000']}}
  - {{id: own, command: [python3, {script}], config: {{port: auto}}, environment: {{AGENT_REGISTRY_URL: mine}}, restart: {{policy: never}},
     health: {{http: /, interval: 0.2, timeout: 1, retries: 2, start_period: 30}}}}
topology: {{type: dynamic}}
"""


def bring_up(reeve, name="desk"):
    """Returns the URL that the agents of the job were given."""
    where, script = reeve.directory / name, reeve.directory / "agent.py"
    where.mkdir()
    script.write_text(AGENT)
    reeve.run("up", "-d", reeve.job(JOB.format(name=name, where=where, script=script), f"{name}.yaml"))
    assert (where / "own0").read_text() == "mine"
    url = (where / "news0").read_text()
    assert url.startswith("http://127.0.0.1:") and (where / "stats0").read_text() == (where / "stats1").read_text() == url
    return url


def ask(url, path, method="GET", body=None, **headers):
    """Status and answer; JSON is read."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, parts.path + path, text, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if "json" in (answer.getheader("Content-Type") or "") else content
    finally:
        connection.close()


def found(url, path="/agents"):
    status, body = ask(url, path)
    assert status == 200, body
    return {entry["id"]: entry for entry in body}


def port_of(entry):
    return urllib.parse.urlsplit(entry["url"]).port


@contextlib.contextmanager
def holding(port):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield


def tell(registry, entry, **more):
    return ask(registry, "/agents/register", "POST", {"id": "it", "name": "It", "url": f"http://localhost:{port_of(entry)}", **more})


def test_agents_find_each_other(reeve):
    url = bring_up(reeve)
    assert ask(f"http://127.0.0.1:{urllib.parse.urlsplit(url).port}", "/health")[0] == 404  # not one registry for all
    entries = found(url)
    assert set(entries) == {"news", "stats", "stats/1", "own"}, "all that run and have a port, without a word of theirs"
    for name, instance in reeve.instances("desk").items():
        if instance["port"]:
            assert entries[name]["url"] == instance["url"] and entries[name]["health_status"] == "healthy"
    assert ask(url, "/health") == (200, {"status": "healthy", "total_agents": 4, "healthy_agents": 4, "unhealthy_agents": 0})

    told = {"description": "reads news", "skills": [{"id": "news_search", "name": "News search"}], "tags": ["text"], "metadata": {"a": [1]}}
    status, entry = tell(url, entries["news"], **told)
    assert status == 200 and {key: entry[key] for key in told} == told and (entry["id"], entry["name"], entry["url"]) == ("news", "It", entries["news"]["url"])
    assert ask(url, "/agents/news")[1] == ask(url, "/agents/it")[1]
    assert ask(url, "/agents/stats%2F1")[1]["url"] == ask(url, "/agents/stats/1")[1]["url"] == entries["stats/1"]["url"]
    for query, who in {"skill=SEARCH": {"news"}, "tag=ext": {"news"}, "name=STAT": {"stats", "stats/1"}, "skill=search&name=stat": set(), "skill=&tag=&name=": set(entries)}.items():
        assert set(found(url, "/agents/search?" + query)) == who, query

    # What is not healthy is found only where that is asked for; what does not run is not there; what starts again is.
    port = port_of(entries["news"])
    pid, own = reeve.instances("desk")["news"]["pid"], reeve.instances("desk")["own"]["pid"]
    os.kill(own, signal.SIGSTOP)
    wait_until(lambda: found(url)["own"]["health_status"] == "unhealthy", what="it does not answer its probes")
    assert "own" not in found(url, "/agents/search") and "own" not in found(url, "/agents?healthy_only=true")
    assert ask(url, "/health")[1]["unhealthy_agents"] == 1
    os.kill(own, signal.SIGCONT)
    wait_until(lambda: found(url)["own"]["health_status"] == "healthy", what="it answers them again")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid) and reeve.instances("desk")["news"]["pid"] not in (None, pid) and found(url).get("news", {}).get("health_status") == "healthy",
               what="it is there again")
    assert found(url)["news"]["name"] == "It", "what it told stays until it is restarted"
    reeve.run("restart", "desk", "news")
    wait_until(lambda: found(url).get("news", {}).get("name") == "news", what="the restarted one is there, and has told nothing yet")
    assert port_of(found(url)["news"]) == port and (reeve.directory / "desk/news0").read_text() == url
    reeve.run("scale", "desk", "stats=1")
    assert set(found(url)) == {"news", "stats", "own"}

    assert ask(url, "/agents/stats", "DELETE") == (200, {"status": "deregistered", "agent_id": "stats"})
    assert ask(url, "/agents/stats")[0] == ask(url, "/agents/stats", "DELETE")[0] == 404 and "stats" not in found(url)
    assert tell(url, entries["stats"])[0] == 200 and found(url)["stats"]["name"] == "It"
    assert json.loads(reeve.run("exec", "desk/news", "--", "sh", "-c", 'printf "\\"%s\\"" "$AGENT_REGISTRY_URL"').stdout) == url
    reeve.run("down", "desk")
    assert found(url) == {}
    reeve.run("down", "desk", "--forget")
    assert ask(url, "/agents")[0] == 404


def test_it_outlives_the_server(reeve):
    """Its URL, and what was told; and agents that run meanwhile find it at the same place."""
    url = bring_up(reeve)
    entries = found(url)
    tell(url, entries["news"], tags=["kept"])
    since = found(url)["news"]["registered_at"]
    ask(url, "/agents/own", "DELETE")
    reeve.kill_server()
    with pytest.raises(OSError):
        ask(url, "/agents")
    reeve.start()
    wait_until(lambda: set(found(url, "/agents/search")) == {"news", "stats", "stats/1"}, what="all are found again, but who took itself out")
    assert found(url)["news"]["tags"] == ["kept"] and found(url)["news"]["registered_at"] == since
    assert (reeve.data / "registry.port").stat().st_mode & 0o777 == 0o600
    other = bring_up(reeve, "other")
    assert urllib.parse.urlsplit(other).netloc == urllib.parse.urlsplit(url).netloc and other != url
    assert set(found(other)) == {"news", "stats", "stats/1", "own"} and found(other)["news"]["url"] != found(url)["news"]["url"]
    assert tell(other, found(url)["stats"])[0] == 422, "an agent of another job"


def test_who_is_kept_out(bare):
    bare.start()  # with --listen none, as all servers here
    url = bring_up(bare)
    assert bare.get("/api/server")["listen"] is None and bare.get("/api/server")["registry"] == urllib.parse.urlsplit(url).netloc
    entries = found(url)
    port = urllib.parse.urlsplit(url).port
    key = url.rsplit("/", 1)[1]
    wrong = url[:-1] + ("0" if url[-1] != "0" else "1")
    for path in ("/agents", "/health", "/nothing"):
        status, content = ask(wrong, path)
        assert (status, content) == (404, b""), "nothing else is told"
    assert ask(url.replace("/r/", "/"), "/agents") == ask(f"http://127.0.0.1:{port}", "/") == (404, b"")
    assert ask(f"http://127.0.0.1:{port}/r/{key.split('-')[0]}", "/agents") == (404, b"")
    # web pages never, whatever key they have, and no name that was bound to our address
    for headers in ({"Origin": "http://evil.example"}, {"Origin": f"http://127.0.0.1:{port}"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-origin"},
                    {"Host": "evil.example"}, {"Host": f"evil.example:{port}"}, {"Host": "127.0.0.1:1"}):
        assert ask(url, "/agents", **headers) == (403, b""), headers
    assert ask(url, "/agents", Host=f"localhost:{port}")[0] == ask(url, "/agents", Sec_Fetch_Site="none")[0] == 200

    # who tells of itself what cannot be
    for change, status, reason in (({"url": "http://evil.example:80"}, 422, "another machine"), ({"url": "http://10.0.0.1"}, 422, "another machine"),
                                   ({"url": "https://localhost"}, 422, "no URL of the form"), ({"url": "http://localhost:1"}, 422, "has the port of its URL, 1"),
                                   ({"url": "http://localhost"}, 422, "no agent of that id"), ({"id": "news", "url": "http://0.0.0.0:1"}, 422, "it has port"),
                                   ({"tags": [1]}, 422, "list of texts"), ({"skills": "x"}, 422, "list"), ({"skills": [1]}, 422, "'skills'"), ({"extra": 1}, 422, "extra"),
                                   ({"name": ""}, 422, "'name'"), ({"description": "x" * 70000}, 413, "larger")):
        got, body = tell(url, entries["news"], **change)
        assert got == status and reason in json.dumps(body), (change, got, body)
    assert tell(url, entries["news"], id="own", url="http://localhost")[1]["id"] == "own", "by its id, when its URL has no port"
    assert ask(url, "/agents?skil=x")[0] == 400 and ask(url, "/agents?healthy_only=maybe")[0] == 422 and ask(url, "/agents/register", "PUT", {})[0] == 404
    assert ask(url, "/agents/none")[0] == ask(url, "/agents/none", "DELETE")[0] == 404

    # who guesses is slowed down, and nobody else is
    wait_until(lambda: ask(wrong, "/agents") == (429, b""), what="too many wrong keys")
    assert ask(url, "/agents")[0] == 200
    bare.run("token", "create", "t", "--role", "admin")
    assert ask(url, "/api/server")[0] == 404 and ask(f"http://127.0.0.1:{port}", "/api/server")[0] in (404, 429), "no other route is there"


def test_taken_port(bare):
    """While agents run that have its URL, the registry waits for its port; without them it takes another."""
    bare.start()
    url = bring_up(bare)
    port = urllib.parse.urlsplit(url).port
    bare.run("server", "stop", "--keep")
    bare.server_process.wait(timeout=20)
    with holding(port):
        bare.start()
        server = bare.get("/api/server")
        assert server["registry"] is None and "Address already in use" in server["registry_problem"]
        assert "agents of dynamic jobs cannot find each other" in bare.run("doctor", code=1).stdout
        bare.run("restart", "desk", "stats")
        assert (bare.directory / "desk/stats0").read_text() == url, "one of two URLs would be wrong"
    wait_until(lambda: bare.get("/api/server")["registry"], what="it has its port again")
    wait_until(lambda: set(found(url)) == {"news", "stats", "stats/1", "own"}, what="all are there")
    assert "find each other at" in bare.run("doctor", code=None).stdout

    bare.run("down", "desk")
    bare.run("server", "stop")
    bare.server_process.wait(timeout=20)
    with holding(port):
        bare.start()
        moved = bring_up(bare, "more")
        assert urllib.parse.urlsplit(moved).port != port and set(found(moved)) == {"news", "stats", "stats/1", "own"}

    # as after a crash of the machine: nobody is left who was given the old one
    agents = [instance["pid"] for instance in bare.instances("more").values()]
    bare.kill_server()
    for pid in [*bare.shims().values(), *agents]:
        os.kill(pid, signal.SIGKILL)
    with holding(urllib.parse.urlsplit(moved).port):
        bare.start()
        again = wait_until(lambda: (url := (bare.directory / "more/news0").read_text()) != moved and url, what="it is started with a URL that answers")
        wait_until(lambda: set(found(again)) >= {"news", "stats", "stats/1"}, what="they are there")
