"""Each attempt stands for itself: its output, and probe commands that see what it sees."""
import os

import pytest
from conftest import alive, wait_until


def one(reeve, script, more="", whole=""):
    path = reeve.directory / "agent.sh"
    path.write_text(script)
    return reeve.job(f'job: {{name: one, version: "1", description: test}}\nagents:\n  - {{id: it, command: [sh, {path}]{more}}}\n{whole}topology: {{type: dynamic}}\n')


THIRD = """n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) > count
case $n in
0) for i in 1 2 3; do echo of the first $i; done; printf unfinished; exit 1;;
1) sleep 0.1; exit 2;;
2) echo of the third; exit 3;;
esac"""


@pytest.mark.asan
def test_last_output_is_of_the_attempt_that_failed(reeve):
    seen = {}
    job = one(reeve, THIRD, f", working_dir: {reeve.directory}, restart: {{policy: always, max: 2, delay: 0.2}}",
              "deployment: {health_check: {min_healthy: 20}, on_failure: keep}\n")
    reeve.run("up", "-d", job, code=6)

    def look():
        it = reeve.instances("one")["it"]
        if it["last_exit"]:
            seen[it["last_exit"]["code"]] = it["output"]
        return it["state"] == "failed"

    wait_until(look, what="it has failed for good")
    assert seen[3] == "of the third", seen
    if 1 in seen:
        assert seen[1] == "of the first 1\nof the first 2\nof the first 3\nunfinished"
    if 2 in seen:
        assert not seen[2], "the second said nothing"


@pytest.mark.asan
def test_a_probe_command_sees_what_the_agent_sees(reeve):
    """Its variables, its directory and its PATH - not the node's."""
    tools = reeve.directory / "tools"
    tools.mkdir()
    probe = tools / "my-probe"
    probe.write_text('#!/bin/sh\ntest "$COLOUR" = blue && test "$AGENT_ID" = it && test -z "$NODES_OWN" && test "$(pwd)" = "$WHERE"\n')
    probe.chmod(0o755)
    environment = f"{{COLOUR: blue, WHERE: {tools}, PATH: '{tools}:/usr/bin:/bin'}}"
    reeve.kill_server()
    if reeve.node == "process":
        reeve.kill_node()
    reeve.start(NODES_OWN="1", COLOUR="red")
    reeve.run("up", "-d", one(reeve, "sleep 1000", f", environment: {environment}, working_dir: {tools}, health: {{exec: [my-probe], interval: 1}}"))
    assert reeve.instances("one")["it"]["health"] == "healthy"


def test_a_probe_command_that_hangs_is_ended_with_all_it_began(reeve):
    mark = reeve.directory / "pids"
    probe = reeve.directory / "probe.sh"
    probe.write_text(f"sleep 987653 & echo $$ $! >> {mark}; wait")
    more = f", health: {{exec: [sh, {probe}], interval: 1, timeout: 0.3}}"
    job = one(reeve, "sleep 1000", more)
    job.write_text(job.read_text().replace("deployment: {", "deployment: {timeout: 3, "))
    reeve.run("up", "-d", job, code=None)
    pids = [int(word) for word in mark.read_text().split()]
    assert pids
    wait_until(lambda: not any(alive(pid) for pid in pids[:2]), what="the first probe is gone")
    reeve.run("down", "one", code=None)
    wait_until(lambda: not any(alive(int(word)) for word in mark.read_text().split()), what="all are gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs agents as another user")
def test_a_probe_command_runs_as_the_agents_user(reeve):
    reeve.run("up", "-d", reeve.job('job: {name: one, version: "1", description: test}\nagents:\n  - {id: it, command: [sleep, "1000"], user: nobody, '
                                    "working_dir: /tmp, health: {exec: [sh, -c, 'test $(id -un) = nobody'], interval: 1}}\ntopology: {type: dynamic}\n"))
    assert reeve.instances("one")["it"]["health"] == "healthy"
