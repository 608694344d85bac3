"""Agents that do what they should not: Reeve says what happened in words, and goes on."""
import json
import os
import sys
import time

import pytest
from conftest import alive, wait_until

PYTHON = sys.executable


def job(reeve, code, more="", name="bad", deployment="timeout: 3, on_failure: stop"):
    """One agent that runs @code."""
    script = reeve.directory / f"{name}.py"
    script.write_text(code)
    return reeve.job(f"""
job: {{name: {name}, version: "1", description: test}}
agents:
  - {{id: it, command: ["{PYTHON}", -S, -u, {script}]{more}}}
topology: {{type: dynamic}}
deployment: {{{deployment}}}
""", f"{name}.yaml")


def logs(reeve, name="bad"):
    return reeve.run("logs", name).stdout


def test_never_healthy(reeve):
    before = time.monotonic()
    done = reeve.run("up", "-d", job(reeve, "import time; time.sleep(1000)", ", config: {port: auto}"), code=6)
    assert time.monotonic() - before >= 3
    assert "bad: failed: not healthy within 3 s: agent 'it' (no answer on port " in done.stderr and "connection refused)" in done.stderr, done.stderr
    it = reeve.instances("bad")["it"]
    assert it["state"] == "failed", it
    wait_until(lambda: not reeve.shims(), what="nothing of it is left")


@pytest.mark.asan
def test_exits_at_once(reeve):
    # At once and not after the time-out, which is longer than a command of a test may take.
    done = reeve.run("up", "-d", job(reeve, "import sys\nprint('one')\nprint('two', file=sys.stderr)\nsys.exit(7)", deployment="timeout: 600, health_check: {min_healthy: 20}"), code=6)
    assert "exit status 7" in done.stderr and "one" in done.stderr and "two" in done.stderr, done.stderr
    assert "exit status 7" in reeve.deployment("bad")["reason"]
    assert reeve.run("status", "bad", code=14)
    assert "exit status 7" in reeve.run("why", "bad").stdout


def test_killed_by_a_signal(reeve):
    done = reeve.run("up", "-d", job(reeve, "import os; os.abort()", deployment="timeout: 30, health_check: {min_healthy: 20}"), code=6)
    assert "signal 6" in done.stderr or "SIGABRT" in done.stderr, done.stderr


@pytest.mark.asan
def test_forks_away(reeve):
    """The child leaves the session; when the main process ends, the child ends too, and a down leaves nobody."""
    pids = reeve.directory / "pids"
    code = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({str(pids)!r}, 'a').write(str(os.getpid()) + ' ')
        time.sleep(1000)
    os._exit(0)
time.sleep(1000)
"""
    reeve.run("up", "-d", job(reeve, code))
    wait_until(lambda: pids.exists() and pids.read_text().endswith(" "), what="the grandchild runs")
    main, runaway = reeve.instances("bad")["it"]["pid"], int(pids.read_text())
    assert alive(main) and alive(runaway)
    os.kill(main, 9)
    wait_until(lambda: not alive(runaway), what="the runaway ends with its main process")
    wait_until(lambda: reeve.instances("bad")["it"]["state"] == "running" and len(pids.read_text().split()) == 2, what="a successor")
    second = int(pids.read_text().split()[1])
    reeve.run("down", "bad")
    assert not alive(second)


@pytest.mark.asan
def test_ignores_sigterm(reeve):
    reeve.run("up", "-d", job(reeve, "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(1000)", ", stop: {grace: 0.5}"))
    pid = reeve.instances("bad")["it"]["pid"]
    wait_until(lambda: "deaf" in logs(reeve), what="it ignores the signal")
    before = time.monotonic()
    reeve.run("down", "bad")
    assert 0.4 <= time.monotonic() - before < 10
    assert not alive(pid)


def test_floods_its_output(reeve):
    """20 MB as fast as it can: nothing blocks, the file rotates, the last line is there."""
    code = "import os, time\nline = b'x' * 199 + b'\\n'\nfor _ in range(100): os.write(1, line * 1000)\nos.write(1, b'the end\\n')\ntime.sleep(1000)"
    reeve.run("up", "-d", job(reeve, code))
    wait_until(lambda: "the end" in reeve.run("logs", "--tail", 1, "bad").stdout, 30, "the last line arrives")
    assert reeve.instances("bad")["it"]["state"] == "running"


def test_closes_stdout(reeve):
    reeve.run("up", "-d", job(reeve, "import os, time\nprint('last words')\nos.close(1); os.close(2); time.sleep(1000)"))
    wait_until(lambda: "last words" in logs(reeve), what="what it said is there")
    assert reeve.instances("bad")["it"]["state"] == "running"


def test_nul_and_half_lines(reeve):
    """No byte does harm, and a line without an end is kept when its writer ends. A pipe gets colours as they are."""
    reeve.run("up", "-d", job(reeve, "import os, time\nos.write(1, b'a\\0b\\n\\xff\\xfe\\n\\x1b[31mred\\nhalf')\ntime.sleep(1000)"))
    wait_until(lambda: "red" in logs(reeve), what="the whole lines arrive")
    reeve.run("down", "bad")
    text = logs(reeve)
    assert "\0" not in text
    assert len(text.splitlines()) == 4 and text.splitlines()[3].endswith("half"), text
    records = [json.loads(line) for line in reeve.run("logs", "-o", "json", "bad").stdout.splitlines()]
    assert [record["partial"] for record in records] == [False, False, False, True], records


def test_restarts_within_its_policy(reeve):
    """It runs a while and dies, again and again: two restarts, then it has failed for good and the deployment is degraded."""
    more = ", restart: {policy: on-failure, max: 2, delay: 0.05}"
    mark = reeve.directory / "go"
    reeve.run("up", "-d", job(reeve, f"import os, time\nwhile not os.path.exists({str(mark)!r}): time.sleep(0.01)\nraise SystemExit(5)", more))
    mark.write_text("")
    wait_until(lambda: reeve.instances("bad")["it"]["state"] == "failed", what="it has failed for good")
    it = reeve.instances("bad")["it"]
    assert it["restarts"] == 2 and "exit status 5" in it["reason"], it
    assert reeve.deployment("bad")["status"] == "degraded"
    reeve.run("status", "bad", code=14)


def test_exit_zero_of_a_service_is_no_failure_to_restart(reeve):
    """on-failure leaves alone what ended well; always does not."""
    mark = reeve.directory / "go"
    code = f"import os, time\nwhile not os.path.exists({str(mark)!r}): time.sleep(0.01)"
    reeve.run("up", "-d", job(reeve, code))
    mark.write_text("")
    wait_until(lambda: reeve.instances("bad")["it"]["state"] != "running", what="it has ended")
    assert reeve.instances("bad")["it"]["restarts"] == 0


def test_unhealthy_later_is_restarted(reeve):
    """It answers its probe until it is told not to; then it is restarted with the reason."""
    mark = reeve.directory / "sick"
    more = f", health: {{exec: [test, '!', -e, {mark}], interval: 0.1, retries: 2}}, restart: {{policy: always, max: 5, delay: 0.05}}"
    reeve.run("up", "-d", job(reeve, "import time; time.sleep(1000)", more))
    pid = reeve.instances("bad")["it"]["pid"]
    mark.write_text("")
    wait_until(lambda: reeve.instances("bad")["it"]["health"] == "unhealthy" or reeve.instances("bad")["it"]["pid"] != pid, what="it is seen to be unhealthy")
    mark.unlink()
    wait_until(lambda: (it := reeve.instances("bad")["it"])["health"] == "healthy" and it["state"] == "running", what="it is healthy again")


def test_secret_of_the_caller_does_not_reach_the_agent(reeve):
    code = "import os, time\nprint(' '.join(sorted(os.environ)))\ntime.sleep(1000)"
    reeve.run("up", "-d", job(reeve, code), MY_SECRET="x")
    names = wait_until(lambda: "AGENT_ID" in (said := logs(reeve)) and said, what="it said its environment")
    assert "MY_SECRET" not in names and "XDG_RUNTIME_DIR" not in names, names
    for name in ("AGENT_ID", "JOB_ID", "AGENT_PEERS_FILE", "AGENT_ALLOWED_HOSTS", "PATH"):
        assert name in names, names
