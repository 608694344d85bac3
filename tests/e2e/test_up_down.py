"""The main path: up in stages, ps, logs, restart, down; and what happens the second time."""
import json
import re

import pytest
from conftest import alive, wait_until

SLEEPERS = """
job: {name: demo, version: "1", description: test}
agents:
  - {id: a, command: [sleep, "1000"]}
  - {id: b, command: [sleep, "1000"]}
  - {id: c, command: [sleep, "1000"], replicas: 2}
topology: {type: pipeline, stages: [a, b, c]}
"""


@pytest.mark.asan
def test_up_and_down(reeve):
    reeve.run("up", "-d", reeve.job(SLEEPERS))
    deployment = reeve.deployment("demo")
    assert (deployment["status"], deployment["outcome"], deployment["healthy"]) == ("running", "succeeded", 4)
    instances = reeve.instances("demo")
    assert [i["stage"] for i in instances.values()] == [0, 1, 2, 2]
    pids = [i["pid"] for i in instances.values()]
    assert all(alive(pid) for pid in pids)
    reeve.run("down", "demo")
    assert reeve.deployment("demo")["status"] == "stopped"
    assert not any(alive(pid) for pid in pids)
    wait_until(lambda: not reeve.shims(), what="no shim is left")


@pytest.mark.asan
def test_second_up_changes_nothing(reeve):
    job = reeve.job(SLEEPERS)
    reeve.run("up", "-d", job)
    before = reeve.instances("demo")
    reeve.run("up", "-d", job)
    assert {k: i["pid"] for k, i in reeve.instances("demo").items()} == {k: i["pid"] for k, i in before.items()}
    assert reeve.deployment("demo")["revision"] == 1


def test_update_replaces_only_what_changed(reeve):
    reeve.run("up", "-d", reeve.job(SLEEPERS))
    before = reeve.instances("demo")
    reeve.run("up", "-d", reeve.job(SLEEPERS.replace('{id: b, command: [sleep, "1000"]}', '{id: b, command: [sleep, "2000"]}')))
    after = reeve.instances("demo")
    assert after["a"]["pid"] == before["a"]["pid"] and after["b"]["pid"] != before["b"]["pid"]
    assert reeve.deployment("demo")["revision"] == 2
    reeve.run("rollback", "demo")
    assert reeve.deployment("demo")["revision"] == 1


def test_failed_update_rolls_back(reeve):
    reeve.run("up", "-d", reeve.job(SLEEPERS))
    broken = SLEEPERS.replace('{id: b, command: [sleep, "1000"]}', '{id: b, command: [sh, -c, "echo no luck; exit 3"]}') + "deployment: {health_check: {min_healthy: 20}}\n"
    done = reeve.run("up", "-d", reeve.job(broken), code=7)
    assert "exit status 3" in done.stderr and "no luck" in done.stderr
    deployment = reeve.deployment("demo")
    assert (deployment["status"], deployment["revision"], deployment["outcome"]) == ("running", 1, "rolled-back")
    assert all(i["state"] == "running" for i in reeve.instances("demo").values())


@pytest.mark.asan
def test_failed_first_deployment_is_stopped(reeve):
    text = SLEEPERS.replace('{id: b, command: [sleep, "1000"]}', '{id: b, command: [sh, -c, "echo the reason; exit 3"]}') + "deployment: {health_check: {min_healthy: 0.5}}\n"
    done = reeve.run("up", "-d", reeve.job(text), code=6)
    assert "exit status 3" in done.stderr and "the reason" in done.stderr
    deployment = reeve.deployment("demo")
    assert (deployment["status"], deployment["outcome"]) == ("failed", "failed")
    states = {k: i["state"] for k, i in reeve.instances("demo").items()}
    assert states["a"] == "stopped" and states["b"] == "failed"
    assert "the reason" in reeve.run("logs", "demo").stdout


def test_batch_completes_and_is_not_started_again(reeve):
    job = reeve.job("""
job: {name: work, version: "1", description: test}
agents:
  - {id: one, kind: batch, command: [sh, -c, "echo done"]}
  - {id: two, command: [sleep, "1000"]}
topology: {type: pipeline, stages: [one, two]}
""")
    reeve.run("up", "-d", job)
    assert reeve.instances("work")["one"]["state"] == "completed"
    reeve.kill_server()
    reeve.start()
    wait_until(lambda: reeve.instances("work")["two"]["state"] == "running", what="adopted")
    assert reeve.instances("work")["one"]["attempt"] <= 1


def test_restart_and_history(reeve):
    reeve.run("up", "-d", reeve.job(SLEEPERS))
    before = reeve.instances("demo")
    reeve.run("restart", "demo", "b")
    after = reeve.instances("demo")
    assert after["b"]["pid"] != before["b"]["pid"] and after["a"]["pid"] == before["a"]["pid"]
    kinds = [r["kind"] for r in reeve.get("/api/deployments/demo/history")["rollouts"]]
    assert sorted(kinds) == ["deploy", "restart"]


def test_json_is_alone_on_stdout(reeve):
    reeve.run("up", "-d", reeve.job(SLEEPERS))
    json.loads(reeve.run("ps", "-o", "json").stdout)
    json.loads(reeve.run("status", "demo", "-o", "json").stdout)


def test_each_agent_is_told_its_own_time(reeve):
    """Not how long the whole has taken when it became healthy."""
    ready = reeve.directory / "ready"
    told = reeve.run("up", "-d", reeve.job(f"""
job: {{name: demo}}
agents:
  - {{id: slow, command: [sh, -c, "sleep 3; touch {ready}; exec sleep 1000"], health: {{exec: [test, -e, {ready}], interval: 1}}}}
  - {{id: quick, command: [sleep, "1000"]}}
topology: {{type: pipeline, stages: [slow, quick]}}
""")).stderr
    seconds = {name: float(after) for name, after in re.findall(r"(\w+) healthy pid \d+ after ([\d.]+) s", told)}
    assert seconds["slow"] >= 3 and seconds["quick"] < 3, told
