"""From an earlier Reeve to this one with agents running: the store is migrated, the old shims are spoken to, nobody is started again. The earlier one is
built from this repository's own history, once."""
import fcntl
import os
import signal
import socket
import sqlite3
import subprocess

import pytest
from conftest import ROOT, alive, wait_until

# The first with everything of `reeve up`, and the last before drivers, tables of columns and the node's identity; with the schemas of their stores.
OLD = {"58cd4e4": 1, "217e43b": 4}
JOB = """
job: {name: desk}
agents:
  - {id: web, command: [python3, -m, http.server, --bind, 127.0.0.1, '%PORT%'], config: {port: %PORT%}, health: {tcp: true}}
  - {id: talks, command: [python3, -u, -c, "import time\\nfor n in range(100000): print('line', n); time.sleep(0.05)"]}
  - {id: dies, command: [sleep, '1000'], restart: {delay: 0.1}}
  - {id: once, command: ['true'], kind: batch}
topology: {type: pipeline, stages: [once, [web, talks, dies]]}
"""


def git(*args, **more):
    return subprocess.run(["git", "-C", ROOT, "-c", f"safe.directory={ROOT}", *args], capture_output=True, check=False, **more)


@pytest.fixture(scope="module", params=OLD)
def old(request):
    """The earlier program; its build stays for the next run."""
    place = ROOT / "build/upgrade" / request.param
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        binary = place / "build/reeve"
        if not (place / "built").exists():
            if git("cat-file", "-e", request.param).returncode != 0:
                pytest.skip(f"commit {request.param} is not in this repository: a shallow clone, or no clone at all")
            archive = git("archive", request.param)
            assert archive.returncode == 0, archive.stderr
            subprocess.run(["tar", "-x", "-C", place], input=archive.stdout, check=True)
            for command in (["meson", "setup", "build", "-Dbuildtype=debug", "-Doptimization=0"], ["ninja", "-C", "build", "--quiet", "reeve", "reeve-shim"]):
                done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600, check=False)
                assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            (place / "built").touch()
    return binary


def run_old(binary, reeve, *args, code=0):
    done = subprocess.run([binary, "--data-dir", reeve.data, *map(str, args)], env=reeve.environment, capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == code, done
    return done


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def schema(reeve):
    with sqlite3.connect(f"file:{reeve.data}/reeve.db?mode=ro", uri=True) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def brought_up(old, reeve):
    run_old(old, reeve, "server", "start")
    run_old(old, reeve, "up", "-d", reeve.job(JOB.replace("%PORT%", str(free_port()))))
    before = reeve.instances("desk")
    assert before["once"]["state"] == "completed"
    return {name: i["pid"] for name, i in before.items() if i["pid"]}


def adopted(reeve):
    wait_until(lambda: all(i["health"] == "healthy" or i["state"] == "completed" for i in reeve.instances("desk").values()), what="everybody is adopted")
    return {name: i["pid"] for name, i in reeve.instances("desk").items() if i["pid"]}


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_agents_run_on(old, bare, how):
    pids = brought_up(old, bare)
    shims = bare.shims()
    server = bare.get("/api/server")["pid"]
    assert schema(bare) == OLD[old.parts[-3]]
    if how == "stopped":
        run_old(old, bare, "server", "stop", "--keep")
    else:
        os.kill(server, signal.SIGKILL)
    wait_until(lambda: not alive(server), what="the old server is gone")
    bare.start()
    assert adopted(bare) == pids and bare.shims() == shims
    assert schema(bare) == 5
    assert bare.get("/api/deployments/desk/history")["revisions"][0]["number"] == 1
    wait_until(lambda: "line" in bare.run("logs", "--tail", "1", "desk", "talks").stdout, what="what it writes is read")
    os.kill(pids["dies"], signal.SIGKILL)  # its old shim tells of it, and starts it again
    wait_until(lambda: (i := bare.instances("desk")["dies"])["pid"] not in (0, pids["dies"]) and i["health"] == "healthy", what="it runs again")
    bare.run("restart", "desk", "web")  # a new shim in place of the old one
    assert bare.instances("desk")["web"]["pid"] != pids["web"] and bare.instances("desk")["talks"]["pid"] == pids["talks"]
    bare.run("token", "create", "new", "--role", "viewer")  # a table that the old store did not have
    bare.run("down", "desk")
    assert not any(alive(pid) for pid in pids.values())
    wait_until(lambda: not bare.shims(), what="the shims, old and new, have left")


def test_there_is_no_way_back_without_a_backup(old, bare):
    """A newer store is refused by the old one, which touches nothing; a restored backup of the old one's time is not."""
    brought_up(old, bare)
    run_old(old, bare, "server", "stop", "--keep")
    bare.run("backup", bare.directory / "before")
    bare.start()
    pids = adopted(bare)
    bare.run("server", "stop", "--keep")
    bare.server_process.wait(timeout=20)
    assert "newer" in run_old(old, bare, "server", "start", code=3).stderr
    assert all(alive(pid) for pid in pids.values())
    bare.run("restore", bare.directory / "before")
    assert schema(bare) == OLD[old.parts[-3]]
    bare.start()
    assert adopted(bare) == pids
