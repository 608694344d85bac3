"""Reeve dies in every way; the agents do not, and nothing is done twice."""
import os
import signal

import pytest
from conftest import alive, wait_until

JOB = """
job: {name: s, version: "1", description: test}
agents:
  - {id: a, command: [sleep, "1000"], restart: {policy: always, max: -1, delay: 0}}
  - {id: b, command: [sleep, "1000"], restart: {policy: always, max: -1, delay: 0}}
topology: {type: pipeline, stages: [a, b]}
"""


def running(reeve, name="s"):
    instances = reeve.instances(name)
    return instances if all(i["state"] == "running" and i["health"] == "healthy" for i in instances.values()) else None


def pids(reeve):
    return {k: i["pid"] for k, i in wait_until(lambda: running(reeve), what="all running").items()}


@pytest.mark.asan
def test_server_killed_agents_adopted(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    reeve.kill_server()
    assert all(alive(pid) for pid in before.values())
    reeve.start()
    assert pids(reeve) == before


@pytest.mark.asan
def test_dead_while_away_is_started_again(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    reeve.kill_server()
    if reeve.node == "process":
        reeve.kill_node()
    os.kill(before["a"], signal.SIGKILL)
    wait_until(lambda: not alive(before["a"]), what="the agent is dead")
    reeve.start()
    wait_until(lambda: (now := running(reeve)) and now["a"]["pid"] != before["a"], what="the dead agent has a successor")
    assert pids(reeve)["b"] == before["b"]


def test_node_killed_alone(reeve):
    if reeve.node != "process":
        return  # one process: killed with its server above
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    reeve.kill_node()
    assert all(alive(pid) for pid in before.values())
    reeve.start_node()
    wait_until(lambda: any(n["status"] == "online" for n in reeve.get("/api/nodes")["nodes"]), what="the node is back")
    assert pids(reeve) == before


@pytest.mark.asan
def test_shim_killed_tree_ends_before_the_successor(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    instance = reeve.instances("s")["a"]["id"]
    os.kill(reeve.shims()[instance], signal.SIGKILL)
    wait_until(lambda: (now := running(reeve)) and now["a"]["pid"] != before["a"], what="a successor")
    assert not alive(before["a"]) and pids(reeve)["b"] == before["b"]


def test_killed_agent_restarts(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    os.kill(before["a"], signal.SIGKILL)
    wait_until(lambda: (now := running(reeve)) and now["a"]["pid"] != before["a"], what="a successor")
    assert reeve.instances("s")["a"]["restarts"] == 1


def test_reboot_brings_everything_back_in_order(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    shims = reeve.shims()
    reeve.kill_server()
    if reeve.node == "process":
        reeve.kill_node()
    for pid in [*shims.values(), *before.values()]:  # a reboot ends everything
        os.kill(pid, signal.SIGKILL)
    reeve.start(REEVE_BOOT_ID="another-boot")
    after = pids(reeve)
    assert not set(after.values()) & set(before.values())
    rollouts = reeve.get("/api/deployments/s/history")["rollouts"]
    assert {"recover": "succeeded"}.items() <= {r["kind"]: r["outcome"] for r in rollouts}.items()


def test_second_server_is_refused(reeve):
    done = reeve.run("server", code=5)
    assert "in use by pid" in done.stderr


def test_server_stop_names_running_agents(bare):
    bare.run("up", "-d", bare.job(JOB))
    done = bare.run("server", "stop", code=5)
    assert "s/a" in done.stderr and "s/b" in done.stderr
    before = pids(bare)
    bare.run("server", "stop", "--keep")
    assert all(alive(pid) for pid in before.values())
    bare.run("up", "-d", bare.job(JOB))
    assert pids(bare) == before


def test_deploy_survives_a_kill_in_its_middle(reeve):
    text = JOB.replace("id: b, command: [sleep, \"1000\"]", "id: b, command: [sleep, \"1000\"], config: {port: 9377}, health: {exec: [test, -e, " + str(reeve.directory / "go") + "], interval: 0.2}")
    import json
    import subprocess
    from conftest import BIN
    up = subprocess.Popen([BIN, "--data-dir", reeve.data, "up", "-d", reeve.job(text)], env=reeve.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: reeve.answers() and any(d["name"] == "s" for d in reeve.get("/api/deployments")["deployments"])
               and reeve.instances("s")["b"]["state"] == "running", what="stage 2 waits for health")
    reeve.kill_server()
    up.wait(timeout=30)
    reeve.start()
    (reeve.directory / "go").write_text("")
    wait_until(lambda: reeve.deployment("s")["status"] == "running", what="the rollout went on")
    assert reeve.deployment("s")["outcome"] == "succeeded"
    assert json.dumps(reeve.instances("s"))
