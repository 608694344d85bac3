"""What runs is changed without fear: diffs, plans, rolling updates that keep enough agents ready, scaling, schedules, webhooks."""
import contextlib
import http.server
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading

import pytest
from conftest import BIN, alive, wait_until

JOB = """
job: {{name: desk}}
agents:
  - {{id: web, command: [python3, -m, http.server, --bind, 127.0.0.1, "{port}"], config: {{port: {port}}}, health: {{tcp: true}}}}
  - {{id: worker, command: [sleep, "{sleep}"], replicas: {replicas}}}
topology: {{type: mesh, agents: [web, worker]}}
deployment: {{update: {{max_unavailable: 1, max_surge: {surge}}}}}
"""


def job(reeve, port, sleep=1000, replicas=3, surge=1):
    return reeve.job(JOB.format(port=port, sleep=sleep, replicas=replicas, surge=surge))


@pytest.fixture
def port():
    import socket
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


BATCH = """
job: {{name: desk, tags: [{tags}]}}
environment: {{APP: {app}}}
agents:
  - {{id: migrate, kind: batch, command: ["true"]}}
  - {{id: web, command: [sleep, "1000"], health: {{interval: {interval}}}}}
  - {{id: critic, reeve: {{agent: critic.toml}}, environment: {{KEY: x, OTHER: x}}, config: {{port: auto}}}}
topology: {{type: pipeline, stages: [migrate, web, critic]}}
"""
CRITIC = "[agent]\nname = \"critic\"\ndescription = \"reads\"\n\n[llm]\nprovider = \"command\"\nmodel = \"none\"\ncommand = [\"cat\"]\n{more}\ntimeout = 30\n"


def test_a_diff_says_it_as_people_do(bare):
    """A changed agent file line by line, lists by what came and went, keys and values as in the job file, and what runs again."""
    (bare.directory / "critic.toml").write_text(CRITIC.format(more='api_key_env = "KEY"\n# token: sesame'))
    bare.run("up", "-d", bare.job(BATCH.format(tags="a, b", app="shop", interval=5)))
    (bare.directory / "critic.toml").write_text(CRITIC.format(more='api_key_env = "OTHER"\n# token: sesame seed'))
    path = bare.job(BATCH.format(tags="b, c", app="shop2", interval=2.5))
    told = bare.run("diff", path).stdout
    assert "sesame" not in told and "agent_text" not in told
    lines = [line.strip() for line in told.splitlines()]
    at = lines.index("agent file:")
    assert lines[at + 1].startswith("@@ -6,"), told
    assert [line for line in lines if line[0] in "-+"] == ['-api_key_env = "KEY"', "-# token: (not shown)", '+api_key_env = "OTHER"', "+# token: (not shown)"], told
    assert "tags: -a +c" in lines and "health.interval: 5 s -> 2.5 s" in lines and "~ migrate runs again" in lines, told
    table = bare.run("up", "--dry-run", path).stdout
    assert re.search(r"^migrate +run again", table, re.M) and re.search(r"^web +replace", table, re.M)


class Watcher(threading.Thread):
    """Reads how many workers are ready, again and again, while a test changes them."""

    def __init__(self, reeve):
        super().__init__(daemon=True)
        self.reeve, self.least, self.enough = reeve, 99, threading.Event()

    def run(self):
        while not self.enough.is_set():
            ready = [i for i in self.reeve.deployment("desk")["instances"] if i["agent"] == "worker" and i["health"] == "healthy"]
            self.least = min(self.least, len(ready))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join()


@pytest.mark.asan
def test_surge_leaves_nobody_missing(reeve, port):
    reeve.run("up", "-d", job(reeve, port))
    before = reeve.instances("desk")
    with Watcher(reeve) as watcher:
        done = reeve.run("up", "-d", job(reeve, port, sleep=2000))
    assert 'command: ["sleep","1000"] -> ["sleep","2000"]' in done.stderr and "changed worker" in done.stderr
    after = reeve.instances("desk")
    assert watcher.least == 3
    assert list(after) == list(before) and after["web"]["pid"] == before["web"]["pid"]
    assert all(after[name]["pid"] != before[name]["pid"] for name in ("worker", "worker/1", "worker/2"))
    wait_until(lambda: len(reeve.shims()) == 4, what="the shim of the extra worker is gone")


def test_in_place_one_at_a_time(reeve, port):
    reeve.run("up", "-d", job(reeve, port, surge=0))
    with Watcher(reeve) as watcher:
        reeve.run("up", "-d", job(reeve, port, sleep=2000, surge=0))
    assert watcher.least >= 2
    with Watcher(reeve) as watcher:
        reeve.run("restart", "--rolling", "desk")
    assert watcher.least >= 2


def test_failed_surge_changes_nothing(reeve, port):
    reeve.run("up", "-d", job(reeve, port))
    before = {name: i["pid"] for name, i in reeve.instances("desk").items()}
    broken = JOB.replace("sleep, ", "sh, -c, ").replace("deployment: {{", "deployment: {{health_check: {{min_healthy: 20}}, ")
    done = reeve.run("up", "-d", reeve.job(broken.format(port=port, sleep="echo no luck; exit 3", replicas=3, surge=1)), code=7)
    assert "no luck" in done.stderr
    assert {name: i["pid"] for name, i in reeve.instances("desk").items()} == before
    assert "rolled-back" in reeve.run("history", "desk").stdout


def test_scale(reeve, port):
    reeve.run("up", "-d", job(reeve, port, replicas=1))
    first = reeve.instances("desk")["worker"]["pid"]
    reeve.run("scale", "desk", "worker=4")
    assert reeve.instances("desk")["worker"]["pid"] == first and len([i for i in reeve.instances("desk").values() if i["state"] == "running"]) == 5
    assert "allowed: 1 to 1000" in reeve.run("scale", "desk", "worker=0", code=None).stderr or reeve.run("scale", "desk", "worker=0", code=2)
    reeve.run("scale", "desk", "worker=2")
    assert len([i for i in reeve.instances("desk").values() if i["state"] == "running"]) == 3
    assert "replicas: 4 -> 2" in reeve.run("diff", "desk").stdout
    reeve.run("scale", "desk", "nobody=2", code=4)


def test_plan_is_applied_or_refused(reeve, port):
    reeve.run("up", "-d", job(reeve, port))
    changed = job(reeve, port, sleep=2000)
    dry = reeve.run("up", "--dry-run", changed)
    plan = re.search(r"^plan_[0-9a-f]{24}$", dry.stdout, re.MULTILINE)[0]
    assert re.search(r"^worker +replace +3$", dry.stdout, re.MULTILINE) and re.search(r"^web +keep +1$", dry.stdout, re.MULTILINE)
    assert reeve.deployment("desk")["revision"] == 1
    reeve.run("scale", "desk", "worker=2")
    assert "has changed since" in reeve.run("up", "-d", "--plan", plan, changed, code=5).stderr
    plan = json.loads(reeve.run("up", "--dry-run", "-o", "json", changed).stdout)["plan"]
    reeve.run("up", "-d", "--plan", plan, changed)
    assert reeve.deployment("desk")["revision"] == 3
    assert reeve.run("diff", changed).stdout == ""


def test_schedule(reeve):
    reeve.run("up", "-d", reeve.job("""
job: {name: clock}
agents:
  - {id: tick, kind: batch, command: [sh, -c, "echo tick"], schedule: {every: 1}}
  - {id: nightly, kind: batch, command: [sh, -c, "exit 3"], restart: {max: 0}, schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}}
"""))
    runs = lambda agent: next(s for s in reeve.get("/api/schedules")["schedules"] if s["agent"] == agent)["runs"]
    wait_until(lambda: [r["outcome"] for r in runs("tick")].count("completed") >= 2, what="two runs of tick")
    reeve.run("run", "clock/nightly", code=6)
    assert runs("nightly")[0]["outcome"] == "failed" and "exit status 3" in runs("nightly")[0]["reason"]
    assert reeve.deployment("clock")["status"] == "running"
    text = reeve.run("schedules", "clock").stdout
    assert "30 2 * * * Europe/Berlin" in text and "every 1 s" in text
    if reeve.node == "embedded":
        done = [r["id"] for r in runs("tick")]
        reeve.kill_server()
        reeve.start()
        wait_until(lambda: [r for r in runs("tick") if r["id"] not in done and r["outcome"] == "completed"], what="it goes on after a crash")
    reeve.run("down", "clock")
    last = runs("tick")[0]["id"]
    assert reeve.get("/api/schedules")["schedules"][0]["next_at"] is None and runs("tick")[0]["id"] == last


def test_bad_schedules_are_named(reeve):
    done = reeve.run("validate", reeve.job("""
job: {name: clock}
agents:
  - {id: a, kind: batch, command: ["true"], schedule: {cron: "61 * * * *"}}
  - {id: b, kind: batch, command: ["true"], schedule: {cron: "0 0 30 2 *", timezone: Mars/Olympus}}
  - {id: c, command: ["true"], schedule: {every: 5}}
  - {id: d, kind: batch, command: ["true"], schedule: {overlap: skip}}
notify: {url: "ftp://x", on: [sometimes]}
"""), code=3)
    for words in ("minute '61'", "no month has such a day", "unknown time zone 'Mars/Olympus'", "a schedule needs kind: batch", "exactly one of cron and every",
                  "http:// or https://", "unknown event 'sometimes'"):
        assert words in done.stderr, words
    assert re.search(r"job\.yaml:4:\d+: error", done.stderr)


class Hooks(http.server.ThreadingHTTPServer):
    def __init__(self, port=0):
        self.told, self.refuse, self.refused, self.ids = [], 0, [], []
        self.answers = threading.Event()
        self.answers.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(handler):
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                self.ids.append(handler.headers["Reeve-Webhook-Id"])
                if self.refuse:
                    self.refuse -= 1
                    self.refused.append(body)
                    handler.send_error(500)
                    return
                self.told.append(body)
                self.answers.wait()
                with contextlib.suppress(OSError):
                    handler.send_response(204)
                    handler.end_headers()

            def log_message(handler, *_):
                pass
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def test_webhooks(reeve):
    hooks = Hooks()
    hooks.refuse = 1
    reeve.run("up", "-d", reeve.job(f"""
job: {{name: desk}}
agents:
  - {{id: a, command: [sleep, "1000"], restart: {{policy: never}}}}
notify: {{url: "http://127.0.0.1:{hooks.server_port}/hook/secret"}}
"""))
    monitor = subprocess.Popen([BIN, "--data-dir", reeve.data, "monitor", "desk"], env=reeve.environment, stdout=subprocess.PIPE, text=True)
    assert monitor.stdout.readline()  # it watches
    os.kill(reeve.instances("desk")["a"]["pid"], 9)
    degraded = wait_until(lambda: hooks.told and hooks.told[0], 20, "the webhook is told, after one refusal")
    assert (degraded["event"], degraded["deployment"], degraded["status"]) == ("degraded", "desk", "degraded")
    assert degraded["agents"][0]["agent"] == "a" and "signal 9" in degraded["agents"][0]["reason"]
    reeve.run("restart", "desk")
    wait_until(lambda: [t["event"] for t in hooks.told] == ["degraded", "recovered"], what="it has recovered")
    assert hooks.ids == [hooks.told[0]["id"], hooks.told[0]["id"], hooks.told[1]["id"]]
    assert "hook/secret" not in (reeve.directory / "server.out").read_text()
    wait_until(lambda: not notices(reeve), what="nothing waits any more")
    seen = next(line for line in monitor.stdout if "webhook  delivered: recovered" in line)
    assert " desk/webhook " in seen
    monitor.send_signal(signal.SIGINT)
    monitor.stdout.close()
    monitor.wait(timeout=10)
    hooks.shutdown()


def notices(reeve):
    with contextlib.closing(sqlite3.connect(f"file:{reeve.data}/reeve.db?mode=ro", uri=True, timeout=10)) as db:
        return db.execute("SELECT id, event, tries FROM notices ORDER BY id").fetchall()


@pytest.mark.parametrize("receiver", ["refuses", "away"])
def test_webhook_outlives_the_server(reeve, port, receiver):
    hooks = Hooks(port) if receiver == "refuses" else None
    if hooks:
        hooks.refuse = 1000
    reeve.run("up", "-d", reeve.job(f"""
job: {{name: desk}}
agents:
  - {{id: a, command: [sleep, "1000"], restart: {{policy: never}}}}
notify: {{url: "http://user:word@127.0.0.1:{port}/hook/secret"}}
"""))
    os.kill(reeve.instances("desk")["a"]["pid"], 9)
    wait_until(lambda: [(n[1], n[2]) for n in notices(reeve)] == [("degraded", 1)], what="the failed try is stored")
    reeve.kill_server()
    if not hooks:
        hooks = Hooks(port)
    hooks.refuse = 0
    tries = len(hooks.ids)
    reeve.start()
    degraded = wait_until(lambda: hooks.told and hooks.told[0], 20, "the message of the former server")
    assert degraded["event"] == "degraded" and "signal 9" in degraded["agents"][0]["reason"]
    assert {degraded["id"]} == set(hooks.ids) and len(hooks.ids) == tries + 1
    assert all(body == degraded for body in hooks.refused)
    wait_until(lambda: not notices(reeve), what="nothing waits any more")
    reeve.run("restart", "desk")
    wait_until(lambda: [t["event"] for t in hooks.told] == ["degraded", "recovered"], what="it has recovered")
    log = (reeve.directory / "server.out").read_text()
    assert "hook/secret" not in log and "word" not in log and "webhook failed" in log
    hooks.shutdown()


def test_webhook_comes_again_with_its_id(reeve):
    """The receiver has it, but the server is killed before it hears so."""
    hooks = Hooks()
    hooks.answers.clear()
    reeve.run("up", "-d", reeve.job(f"""
job: {{name: desk}}
agents:
  - {{id: a, command: [sleep, "1000"], restart: {{policy: never}}}}
notify: {{url: "http://127.0.0.1:{hooks.server_port}/hook"}}
"""))
    os.kill(reeve.instances("desk")["a"]["pid"], 9)
    wait_until(lambda: hooks.told, what="the receiver has it")
    reeve.kill_server()
    hooks.answers.set()
    reeve.start()
    wait_until(lambda: not notices(reeve), what="the receiver has it again")
    assert len(hooks.told) == 2 and hooks.told[0] == hooks.told[1]
    assert hooks.ids == [hooks.told[0]["id"]] * 2
    hooks.shutdown()
