"""What becomes of an agent and of all that it started: in a stop, when its shim is killed or frozen; and what it is told and says."""
import os
import pathlib
import pwd
import signal

import pytest
from conftest import alive, wait_until

WORKER = """import signal, sys, time
def stop(*_):
    time.sleep(0.4)
    open('saved-' + sys.argv[1], 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open('up-' + sys.argv[1], 'w').close()
while True:
    time.sleep(0.02)
"""


def commands(*words):
    """pids of living processes that were started with exactly @words."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == b"".join(word.encode() + b"\0" for word in words):
                found.append(int(entry.name))
        except OSError:
            pass
    return [pid for pid in found if alive(pid)]


@pytest.mark.asan
def test_a_stop_gives_the_whole_group_its_grace(bare):
    """Also where the main process ends at once: a shell before its program, or with it in the background."""
    where = bare.directory / "work"
    where.mkdir()
    (where / "worker.py").write_text(WORKER)
    bare.run("up", "-d", bare.job(f"""
job: {{name: stops, version: "1", description: test}}
deployment: {{health_check: {{enabled: false}}}}
agents:
  - {{id: sh, command: [sh, -c, "python3 worker.py sh; echo end"], working_dir: {where}, stop: {{grace: 20}}}}
  - {{id: bg, command: [sh, -c, "python3 worker.py bg & wait"], working_dir: {where}, stop: {{grace: 20}}}}
  - {{id: exec, command: [sh, -c, "setsid -f sleep 4713; exec python3 worker.py exec"], working_dir: {where}, stop: {{grace: 20}}}}
"""))
    names = ("sh", "bg", "exec")
    for verb in ("restart", "down"):
        wait_until(lambda: all((where / f"up-{name}").exists() for name in names), what="every worker is up")
        for file in where.glob("up-*"):
            file.unlink()
        bare.run(verb, "stops", timeout=50)  # nobody waits for the end of the grace period
        assert sorted(file.name for file in where.glob("saved-*")) == sorted(f"saved-{name}" for name in names), verb
        for file in where.glob("saved-*"):
            file.unlink()
    assert not commands("sleep", "4713")


def test_what_an_agent_is_given_and_what_its_failure_is_called(bare):
    me = pwd.getpwuid(os.geteuid())
    where = bare.directory / "work"
    where.mkdir()
    out = bare.directory / "out"
    bare.run("up", "-d", bare.job(f"""
job: {{name: env, version: "1", description: test}}
agents:
  - {{id: own, kind: batch, user: {me.pw_name}, command: [sh, -c, "env > {out}-own"]}}
  - {{id: set, kind: batch, user: {me.pw_name}, environment: {{HOME: /from/job}}, command: [sh, -c, "env > {out}-set"]}}
  - {{id: callers, kind: batch, command: [sh, -c, "env > {out}-callers"]}}
"""), HOME="/of/the/caller", USER="caller", LOGNAME="caller", SHELL="/bin/of-caller")
    texts = [pathlib.Path(f"{out}-{name}") for name in ("own", "set", "callers")]
    wait_until(lambda: all(text.exists() and "AGENT_ID" in text.read_text() for text in texts), what="all three have written")
    own, job, callers = (dict(line.split("=", 1) for line in text.read_text().splitlines() if "=" in line) for text in texts)
    assert (own["HOME"], own["USER"], own["LOGNAME"], own["SHELL"]) == (me.pw_dir, me.pw_name, me.pw_name, me.pw_shell)
    assert (job["HOME"], job["USER"]) == ("/from/job", me.pw_name)
    assert (callers["HOME"], callers["USER"]) == ("/of/the/caller", "caller")

    script = bare.directory / "crlf.sh"
    script.write_bytes(b"#!/bin/sh\r\nexit 0\r\n")
    script.chmod(0o755)
    failed = bare.run("up", "-d", bare.job(f'job: {{name: crlf, version: "1", description: test}}\nagents: [{{id: a, command: [{script}]}}]\n'), code=None)
    assert failed.returncode and "write it with LF" in failed.stdout + failed.stderr

    bare.run("up", "-d", bare.job(f"""
job: {{name: cwd, version: "1", description: test}}
deployment: {{health_check: {{enabled: false}}}}
agents: [{{id: a, command: [sleep, "1000"], working_dir: {where}, restart: {{policy: always, max: -1, delay: 0}}}}]
"""))
    where.rmdir()
    os.kill(bare.instances("cwd")["a"]["pid"], signal.SIGKILL)
    wait_until(lambda: bare.instances("cwd")["a"]["state"] == "failed", what="it cannot be started again")
    assert f"working directory '{where}': No such file or directory" in bare.instances("cwd")["a"]["reason"]


SHIMS = """
job: {name: s, version: "1", description: test}
deployment: {health_check: {enabled: false}}
agents:
  - {id: a, command: [sh, -c, "setsid -f sleep 4712; exec sleep 1000"], restart: {policy: always, max: -1, delay: 0}}
  - {id: b, command: [sleep, "1000"]}
"""


@pytest.mark.asan
def test_a_shim_that_is_killed_or_frozen(reeve):
    """Killed: nothing of its tree is left beside the successor, also what left parent and session. Frozen: it keeps nobody else waiting."""
    reeve.run("up", "-d", reeve.job(SHIMS))
    instances = reeve.instances("s")
    first = wait_until(lambda: commands("sleep", "4712"), what="the one that left")
    os.kill(reeve.shims()[instances["a"]["id"]], signal.SIGKILL)
    wait_until(lambda: (now := reeve.instances("s")["a"])["state"] == "running" and now["pid"] != instances["a"]["pid"], what="a successor")
    assert not alive(first[0])
    wait_until(lambda: len(commands("sleep", "4712")) == 1, what="that of the successor")

    pid = reeve.instances("s")["a"]["pid"]
    shim = reeve.shims()[instances["a"]["id"]]
    os.kill(shim, signal.SIGSTOP)
    try:
        if reeve.node == "process":
            reeve.kill_node()
        reeve.kill_server()
        reeve.start()  # waits until the node is online
        assert reeve.instances("s")["b"]["pid"] == instances["b"]["pid"] and reeve.instances("s")["b"]["state"] == "running"
        assert "has not answered" in reeve.instances("s")["a"]["reason"]
        reeve.run("up", "-d", reeve.job('job: {name: other, version: "1", description: test}\nagents: [{id: a, command: [sleep, "1000"]}]\n', "other.yaml"))
    finally:
        os.kill(shim, signal.SIGCONT)
    wait_until(lambda: reeve.instances("s")["a"]["state"] == "running", what="the shim is awake and its agent adopted")
    assert reeve.instances("s")["a"]["pid"] == pid
    if reeve.node == "process":
        reeve.node_process.send_signal(signal.SIGHUP)  # its terminal closes
    reeve.run("down", "s")
    assert not commands("sleep", "4712") and not alive(pid)
