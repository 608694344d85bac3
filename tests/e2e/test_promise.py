"""A change that fails is seen to fail: what people run into first, each with the words that it is told in. One server for all of it."""
import os
import re
import socket

import pytest
from conftest import alive, wait_until

# min_healthy stands nowhere here but where it says so: these are the defaults
FIRST = """
job: {name: shop}
agents:
  - {id: good, command: [sh, good.sh]}
  - {id: w, command: [sh, w.sh]}
topology: {type: pipeline, stages: [[good], [w]]}
# min_healthy as it is
"""
GOOD, BAD = "exec sleep 1000\n", "sleep 0.4; echo FIRST-LINE-OF-FAILURE; exit 3\n"


@pytest.fixture
def shop(bare):
    for name, text in (("good", GOOD), ("w", GOOD), ("bad", BAD)):
        (bare.directory / f"{name}.sh").write_text(text)
    bare.start()
    return bare


def pids(shop):
    return {name: i["pid"] for name, i in shop.instances("shop").items()}


@pytest.mark.asan
def test_a_change_that_fails(shop):
    done = shop.run("up", "-d", shop.job(FIRST))
    assert "going back" not in done.stderr
    before = pids(shop)

    # an update that falls over a moment after it came up: seen, announced, undone, and its words are still there
    done = shop.run("up", "-d", shop.job(FIRST.replace("w.sh", "bad.sh")), code=7)
    assert re.search(r"^shop: the update to revision 2 failed: agent 'w' replica 1 ended before it was healthy for 3 s: exit status 3; going back to revision 1$",
                     done.stderr, re.MULTILINE), done.stderr
    assert "shop: the update to revision 2 failed, revision 1 runs again: agent 'w' replica 1 ended" in done.stderr
    assert pids(shop) == before and all(alive(pid) for pid in before.values())
    assert "FIRST-LINE-OF-FAILURE" in shop.run("logs", "shop", "w").stdout
    assert "w/1" not in shop.run("ps", "shop").stdout and "w/1" in shop.run("ps", "-o", "wide").stdout
    status = shop.run("status", "shop").stdout  # it is well, so the exit code is 0
    assert re.search(r"^status: +running$", status, re.MULTILINE) and "FIRST-LINE-OF-FAILURE" in status
    assert re.search(r"^shop +running +1 +2/2", shop.run("status").stdout, re.MULTILINE)

    # the code on disk is broken: going back fails too, both are said, and who did not change goes on
    (shop.directory / "w.sh").write_text(BAD)
    changed = FIRST.replace("command: [sh, w.sh]", "command: [sh, w.sh, again], restart: {policy: never}")
    in_place = changed.replace("# min_healthy as it is", "deployment: {update: {max_surge: 0}, timeout: 20} # min_healthy as it is")
    done = shop.run("up", "-d", shop.job(in_place), code=6)
    assert re.search(r"^shop: the update to revision 3 failed: agent 'w' ended before it was healthy for 3 s: exit status 3; last output: FIRST-LINE-OF-FAILURE; "
                     r"going back to revision 1 failed too \(code in working directories is not part of a revision\): agent 'w' ended before", done.stderr, re.MULTILINE), done.stderr
    assert pids(shop)["good"] == before["good"]
    done = shop.run("up", "-d", shop.job(in_place), code=6)
    assert "shop: the update to revision 3 failed" in done.stderr and pids(shop)["good"] == before["good"] and alive(before["good"])
    wait_until(lambda: re.search(r"^good +running.*\nw +(failed|backoff) ", shop.run("status", "shop", code=14).stdout, re.MULTILINE), what="status has both")
    wait_until(lambda: re.search(r"^shop +failed +1 +1/2", shop.run("status").stdout, re.MULTILINE), what="one of two is well, while w is between two starts")

    # the way out: to what ran last, which is named first
    assert "\nsee: reeve logs shop" in (why := shop.run("why", "shop").stdout) and "reeve rollback shop --to 1" in why and "    | FIRST-LINE-OF-FAILURE" in why
    shop.run("wait", "shop", code=6)
    (shop.directory / "w.sh").write_text(GOOD)
    told = shop.run("rollback", "shop").stderr
    assert told.startswith("shop goes from revision 1 to revision 1; ") and "shop runs revision 1" in told
    assert pids(shop)["good"] == before["good"] and shop.deployment("shop")["status"] == "running"


@pytest.mark.asan
def test_what_goes_on_failing(shop):
    # a crash loop: why, wait
    loop = shop.job("job: {name: loop}\nagents: [{id: a, command: [sh, -c, 'sleep 0.2; echo dies now; exit 7'], restart: {max: 1, delay: 4}, health: {min_healthy: 0}}]\n")
    shop.run("up", "-d", loop, code=None)
    wait_until(lambda: shop.instances("loop")["a"]["state"] == "backoff", what="it has fallen")
    why = shop.run("why", "loop").stdout
    assert re.search(r"a keeps ending: exit status 7 \(1 restart in a row\); next start in \d s, given up after 1; its last output:\n    \| dies now\nsee: reeve logs loop/a", why), why
    assert "reeve wait: loop is still " in (late := shop.run("wait", "loop", "--for", "stopped", "--timeout", "0.3", code=9).stderr) and "after 0.3 s; waited for: stopped" in late
    done = shop.run("wait", "loop", "--for", "completed", code=6)  # ends by itself when the node gives up
    assert "loop is degraded, with an agent that is not started again, and will not be completed by itself; ask: reeve why loop" in done.stderr
    assert "a has failed and is not started again by itself: exit status 7, after 1 restart" in (why := shop.run("why", "loop").stdout)
    assert "reeve restart loop/a" in why

    # a scheduled run that fails is no failure of its deployment, and is not repeated unasked
    shop.run("up", "-d", shop.job("job: {name: clock}\nagents:\n  - {id: a, command: [sleep, '1000']}\n"
                                  "  - {id: nightly, kind: batch, command: [sh, -c, 'echo ran; exit 4'], schedule: {every: 3600}}\n"))
    assert re.search(r"^clock +nightly +scheduled +- ", shop.run("ps", "clock").stdout, re.MULTILINE)
    assert "see: reeve logs clock/nightly" in shop.run("run", "clock/nightly", code=6).stderr
    assert shop.run("logs", "clock", "nightly").stdout.count("ran") == 1
    shop.run("status", "clock")
    assert re.search(r"^clock +running +1 +2/2", shop.run("status").stdout, re.MULTILINE)

    # a port that somebody has: the same reason everywhere
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        shop.run("up", "-d", shop.job(f"job: {{name: taken}}\nagents: [{{id: a, command: [sleep, '1000'], config: {{port: {port}}}}}]\n"), code=None)
        assert re.search(rf"^taken +a +failed +.*port {port} is in use by pid \d+", shop.run("ps", "taken").stdout, re.MULTILINE)


def test_up_brings_the_path_of_its_caller(shop):
    tools = shop.directory / "tools"
    tools.mkdir()
    (tools / "mytool").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tools / "mytool").chmod(0o755)
    job = shop.job("job: {name: pt}\nagents: [{id: a, command: [sh, -c, 'exec mytool']}]\n")
    shop.run("up", "-d", job, code=6)
    path = f"{tools}:{os.environ['PATH']}"
    shop.run("up", "-d", job, PATH=path)
    pid = shop.instances("pt")["a"]["pid"]
    assert "is up to date" in shop.run("up", "-d", job).stderr  # another PATH starts nothing again
    assert shop.instances("pt")["a"]["pid"] == pid
