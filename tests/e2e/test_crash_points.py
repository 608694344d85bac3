"""Ends a process at its n-th commit, file write or message, for every n that an up, a down, an update or a rollback reaches: whatever was acknowledged is carried out
after the next start, nothing runs twice, nothing is left open. Of the shims the first that reaches its n-th point ends, and only that one. Needs the build with crash points (./dev test makes it)."""
import contextlib
import json
import os
import pathlib
import subprocess

import conftest
import pytest
from conftest import ROOT, Reeve, alive, wait_until

CRASH_BIN = pathlib.Path(os.environ.get("REEVE_CRASH_BIN", ROOT / "build-crash/reeve")).resolve()
CRASHED = 97
ROLES = [("embedded", "server"), ("process", "server"), ("process", "node")]


def job(marker):
    return f"""
job: {{name: c, version: "1", description: test}}
agents:
  - {{id: a, command: [sleep, "{marker}1"], restart: {{policy: always, max: -1, delay: 0}}}}
  - {{id: b, command: [sleep, "{marker}2"], restart: {{policy: always, max: -1, delay: 0}}}}
topology: {{type: pipeline, stages: [a, b]}}
deployment: {{health_check: {{min_healthy: 0}}}}
"""


def sleepers(marker):
    """pids of the live agents of this test, by argument."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if len(words) > 1 and words[0].endswith(b"sleep") and words[1].startswith(marker.encode()) and alive(entry.name):
            found.setdefault(words[1].decode(), []).append(int(entry.name))
    return found


class Crash:
    """One Reeve, one role that ends at point n."""

    def __init__(self, directory, node, role, n):
        self.reeve, self.role = Reeve(directory, node), role
        self.marker = f"1{os.getpid()}{n:04d}"
        self.environment = {"REEVE_CRASH_AT": str(n), "REEVE_CRASH_ROLE": role}

    def process(self):
        return self.reeve.node_process if self.role == "node" else self.reeve.server_process

    def crashed(self):
        code = self.process().poll()
        assert code in (None, CRASHED), f"{self.role} ended with {code}"
        return code == CRASHED

    def start(self, doomed):
        """Starts what does not run; a doomed role may end before it serves. True when it serves."""
        reeve, extra = self.reeve, self.environment if doomed else {}
        if not reeve.server_process or reeve.server_process.poll() is not None:
            log = open(reeve.directory / "server.out", "ab")
            more = ["--node-socket", reeve.directory / "node.sock"] if reeve.node == "process" else []
            reeve.server_process = subprocess.Popen([CRASH_BIN, "--data-dir", reeve.data, "server", *more], env={**reeve.environment, **extra}, stdout=log,
                                                    stderr=log, stdin=subprocess.DEVNULL)
        if reeve.node == "process" and (not reeve.node_process or reeve.node_process.poll() is not None):
            reeve.start_node(**extra)
        wait_until(lambda: self.is_up() or (doomed and self.crashed()), what="it serves or has ended")
        return self.is_up()

    def outlive(self):
        """Starts again what ended at its point, and says whether it did. One that did not is ended all the same: it must not come to its point in what follows."""
        reached = self.crashed()
        if not reached:
            self.process().kill()
            reached = self.process().wait() == CRASHED
        self.start(doomed=False)
        return reached

    def is_up(self):
        with_nodes = self.reeve.answers() and self.process().poll() is None
        try:
            return with_nodes and any(n["status"] == "online" for n in self.reeve.get("/api/nodes")["nodes"])
        except (AssertionError, OSError, ConnectionError):
            return False

    def run(self, *args):
        """A verb that may lose its server on the way. Its exit code."""
        return subprocess.run([CRASH_BIN, "--data-dir", self.reeve.data, *map(str, args)], env=self.reeve.environment, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False).returncode

    def post(self, path, body):
        """202 and 200 are acknowledgements; None when the server went away without one."""
        try:
            return self.reeve.request("POST", path, body)[0]
        except (OSError, ConnectionError, conftest.http.client.HTTPException, ValueError):
            return None

    def settled(self, name="c"):
        try:
            found = [d for d in self.reeve.get("/api/deployments")["deployments"] if d["name"] == name]
        except (AssertionError, OSError, ConnectionError):
            return None
        if not found:
            return "absent"
        # degraded is what it is called until the node has told again what runs
        return found[0]["status"] if found[0]["rollout"]["phase"] == "done" and found[0]["status"] != "degraded" else None


    def shim_crashed(self):
        return (self.reeve.directory / "shim-crashed").exists()


def captured_job(reeve, marker, mark="1"):
    """The body that the CLI would send for this job: agents by hand, since a test of the core needs no reader."""
    agents = [{"id": name, "command": ["sleep", f"{marker}{number}"], "restart": {"policy": 2, "max": -1, "delay_ms": 0}, "health": {"min_healthy_ms": 0},
               "environment": {"MARK": mark}}
              for number, name in ((1, "a"), (2, "b"))]
    document = {"name": "c", "agents": agents, "topology": {"type": "pipeline", "groups": [[0], [1]]}}
    return {"source_name": "c.yaml", "source": job(marker), "job": document}


def check_running(crash):
    status = wait_until(crash.settled, 30, "the rollout has an outcome")
    assert status == "running", (status, json.dumps(crash.reeve.deployment("c"))[:2000])
    wait_until(lambda: all(i["state"] == "running" and i["health"] == "healthy" for i in crash.reeve.instances("c").values()), 30, "all agents are healthy")
    live = sleepers(crash.marker)
    assert {word: len(pids) for word, pids in live.items()} == {crash.marker + "1": 1, crash.marker + "2": 1}, live
    assert {pids[0] for pids in live.values()} == {i["pid"] for i in crash.reeve.instances("c").values()}


def check_down(crash):
    status = wait_until(crash.settled, 30, "the rollout has an outcome")
    assert status in ("stopped", "absent"), status
    wait_until(lambda: not sleepers(crash.marker), 10, "no agent is left")


def one_up(crash):
    """True when point n was reached."""
    acknowledged = crash.start(doomed=True) and crash.post("/api/deployments", captured_job(crash.reeve, crash.marker)) in (200, 202)
    wait_until(lambda: crash.crashed() or (acknowledged and crash.settled()), 30, "an outcome or the end")
    reached = crash.outlive()
    if not acknowledged and crash.settled() == "absent":
        assert not sleepers(crash.marker)
        assert crash.post("/api/deployments", captured_job(crash.reeve, crash.marker)) == 202
    check_running(crash)
    return reached


def one_down(crash):
    crash.start(doomed=False)
    assert crash.post("/api/deployments", captured_job(crash.reeve, crash.marker)) == 202
    check_running(crash)
    process = crash.process()
    process.kill()
    process.wait()
    acknowledged = crash.start(doomed=True) and crash.post("/api/deployments/c/down", {}) == 202
    wait_until(lambda: crash.crashed() or (acknowledged and crash.settled()), 30, "an outcome or the end")
    reached = crash.outlive()
    if not acknowledged and wait_until(crash.settled, 30, "an outcome") == "running":
        check_running(crash)
        assert crash.post("/api/deployments/c/down", {}) == 202
    check_down(crash)
    return reached


def changed(crash, ask, wanted):
    """Crashes at point n of a change that @ask requests; afterwards it is @wanted, or back where it was, as a whole."""
    before = crash.reeve.deployment("c")["revision"]
    process = crash.process()
    process.kill()
    process.wait()
    acknowledged = crash.start(doomed=True) and ask() == 202
    wait_until(lambda: crash.crashed() or (acknowledged and crash.settled()), 30, "an outcome or the end")
    reached = crash.outlive()
    check_running(crash)
    if not acknowledged and crash.reeve.deployment("c")["revision"] == before:
        assert ask() == 202
        wait_until(crash.settled, 30, "an outcome")
        check_running(crash)
    after = crash.reeve.deployment("c")
    assert (after["revision"], after["outcome"]) == (wanted, "succeeded") or (reached and (after["revision"], after["outcome"]) == (before, "rolled-back")), after
    assert {i["revision"] for i in after["instances"] if not i["left_over"]} == {after["revision"]}, after
    assert not any(i["left_over"] and i["pid"] for i in after["instances"]), after
    return reached


def brought_up(crash, *marks):
    crash.start(doomed=False)
    for mark in marks:
        assert crash.post("/api/deployments", captured_job(crash.reeve, crash.marker, mark)) == 202
        wait_until(crash.settled, 30, "an outcome")
        check_running(crash)


def one_update(crash):
    brought_up(crash, "1")
    return changed(crash, lambda: crash.post("/api/deployments", captured_job(crash.reeve, crash.marker, "2")), 2)


def one_rollback(crash):
    brought_up(crash, "1", "2")
    return changed(crash, lambda: crash.post("/api/deployments/c/rollback", {}), 1)


def one_life_of_shims(crash):
    """Up, a restart of an agent, and down, while one shim dies on the way. A start may fail by it, and then says so; the next one succeeds."""
    crash.environment["REEVE_CRASH_ONCE"] = str(crash.reeve.directory / "shim-crashed")
    assert crash.start(doomed=True)
    assert crash.post("/api/deployments", captured_job(crash.reeve, crash.marker)) == 202
    status = wait_until(crash.settled, 30, "an outcome of up")
    if status != "running":
        assert crash.shim_crashed() and status in ("failed", "stopped"), status
        wait_until(lambda: not sleepers(crash.marker), 10, "nothing of a failed start is left")
        assert crash.post("/api/deployments", captured_job(crash.reeve, crash.marker)) == 202
    check_running(crash)
    victim = crash.reeve.instances("c")["a"]["pid"]
    os.kill(victim, 9)
    wait_until(lambda: crash.reeve.instances("c")["a"]["pid"] not in (0, victim), 20, "its successor")
    check_running(crash)
    assert crash.post("/api/deployments/c/down", {}) == 202
    check_down(crash)
    return crash.shim_crashed()


CASES = [(node, role, what) for node, role in ROLES for what in (one_up, one_down, one_update, one_rollback)] + [(node, "shim", one_life_of_shims) for node in ("embedded", "process")]


@pytest.mark.parametrize("node, role, what", CASES, ids=[f"{what.__name__.removeprefix('one_')}-{node}-{role}" for node, role, what in CASES])
def test_every_point(tmp_path_factory, monkeypatch, capsys, node, role, what):
    assert CRASH_BIN.exists(), f"'{CRASH_BIN}' is missing: meson setup build-crash -Dcrash_points=true && ninja -C build-crash"
    monkeypatch.setattr(conftest, "BIN", CRASH_BIN)
    n, reached = 0, True
    while reached:
        n += 1
        assert n < 500, "points without end"
        crash = Crash(tmp_path_factory.mktemp("crash"), node, role, n)
        try:
            reached = what(crash)
        except AssertionError as error:
            said = "".join(path.read_text()[-3000:] for path in crash.reeve.directory.glob("*.out"))
            with contextlib.suppress(OSError, AssertionError):
                said += json.dumps(crash.reeve.deployment("c"), indent=1)
            raise AssertionError(f"crash point {n} of {role} ({node} node): {error}\n{said}") from error
        finally:
            crash.reeve.close()
            for pids in sleepers(crash.marker).values():
                for pid in pids:
                    os.kill(pid, 9)
    with capsys.disabled():
        print(f"\n{what.__name__.removeprefix('one_')} with {node} node: {n - 1} crash points of {role}")
