"""A stored job that cannot be read any more takes neither the server nor an agent with it: its deployment is left alone, says why, and has a way out."""
import sqlite3

import pytest
from conftest import alive, wait_until

JOB = """
job: {name: %s}
agents:
  - {id: a, command: [sleep, '1000'], environment: {MARK: '%s'}}
  - {id: b, command: [sleep, '1000'], environment: {KEY: {file: %s}}}
topology: {type: pipeline, stages: [a, b]}
"""
DAMAGED = '{"name":"desk","agents":[{"id":"a","comm'


def up(reeve, name, mark):
    key = reeve.directory / "key"
    key.write_text("secret")
    key.chmod(0o600)
    reeve.run("up", "-d", reeve.job(JOB % (name, mark, key), f"{name}.yaml"))


def pids(reeve, name):
    return {agent: i["pid"] for agent, i in reeve.instances(name).items()}


def healthy(reeve, name):
    return all(i["health"] == "healthy" for i in reeve.instances(name).values())


def damage(reeve, revision, text=DAMAGED):
    """Stops the server, agents stay; writes @text over the job of @revision of 'desk'; starts it again."""
    reeve.run("server", "stop", "--keep")
    reeve.server_process.wait(timeout=20)
    if reeve.node == "process":
        wait_until(lambda: reeve.node_process.poll() is None, what="the node goes on")
    with sqlite3.connect(reeve.data / "reeve.db") as store:
        changed = store.execute("UPDATE revisions SET job = ? WHERE number = ? AND deployment IN (SELECT id FROM deployments WHERE name = 'desk')", (text, revision))
        assert changed.rowcount == 1
    store.close()
    reeve.start()


@pytest.fixture
def desks(reeve):
    """'desk' at its second revision, and 'other'."""
    up(reeve, "desk", "1")
    up(reeve, "desk", "2")
    up(reeve, "other", "1")
    return reeve


def test_its_agents_go_on_and_it_says_why(desks):
    before, others = pids(desks, "desk"), pids(desks, "other")
    damage(desks, 2)
    wait_until(lambda: healthy(desks, "desk") and healthy(desks, "other"), what="all agents are known again")
    assert pids(desks, "desk") == before
    assert pids(desks, "other") == others
    assert desks.deployment("desk")["status"] == "failed"
    assert desks.deployment("other")["status"] == "running"
    why = "the stored job of revision 2 of deployment 'desk' cannot be read: JSON line 1"
    assert why in desks.run("status", "desk", code=14).stdout
    told = desks.run("why", "desk", code=None).stdout
    assert why in told and "reeve down desk" in told and "reeve up " in told
    listed = desks.run("ps").stdout
    assert "desk" in listed and "other" in listed
    assert why in (desks.directory / "server.out").read_text()
    for refused in (("restart", "desk"), ("scale", "desk", "b=2"), ("rollback", "desk", "--to", "2"), ("diff", "desk")):
        assert why in desks.run(*refused, code=None).stderr, refused
    desks.run("restart", "other")  # others can be changed
    assert pids(desks, "desk") == before
    assert all(alive(pid) for pid in before.values())


def test_down_stops_it(desks):
    before, others = pids(desks, "desk"), pids(desks, "other")
    damage(desks, 2)
    desks.run("down", "desk")
    wait_until(lambda: not any(alive(pid) for pid in before.values()), what="its agents are ended")
    assert desks.deployment("desk")["status"] == "stopped"
    assert pids(desks, "other") == others
    desks.run("down", "desk", "--forget", code=None)


def test_a_new_file_takes_its_place(desks):
    before = pids(desks, "desk")
    damage(desks, 2)
    up(desks, "desk", "3")
    assert desks.deployment("desk")["status"] == "running"
    assert desks.deployment("desk")["reason"] in (None, "")
    assert not any(alive(pid) for pid in before.values())
    assert all(alive(pid) for pid in pids(desks, "desk").values())


def test_an_old_revision_is_in_nobodys_way(desks):
    before = pids(desks, "desk")
    damage(desks, 1)
    wait_until(lambda: healthy(desks, "desk"), what="all agents are known again")
    assert desks.deployment("desk")["status"] == "running"
    why = "the stored job of revision 1 of deployment 'desk' cannot be read"
    assert why in desks.run("rollback", "desk", code=None).stderr
    assert why in desks.run("diff", "desk", code=None).stderr
    assert pids(desks, "desk") == before
    up(desks, "desk", "3")
    assert desks.deployment("desk")["status"] == "running"
