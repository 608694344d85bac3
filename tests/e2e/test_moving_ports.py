"""Fixed ports that go from one agent to another within one update, and what connected agents are told."""
import json
import pathlib
import socket

import pytest
from conftest import wait_until

LISTENER = """import os, socket, time
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
one.bind(("127.0.0.1", int(os.environ["AGENT_PORT"])))
one.listen()
while True:
    there, _ = one.accept()
    there.sendall(os.environ["AGENT_ID"].encode())
    there.close()
"""


def free_ports(n):
    holders = [socket.socket() for _ in range(n)]
    for holder in holders:
        holder.bind(("127.0.0.1", 0))
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def who(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        return one.recv(100).decode()


def job(reeve, stages, more="", **ports):
    script = reeve.directory / "listen.py"
    script.write_text(LISTENER)
    agents = "".join(f"  - {{id: {name}, command: [/usr/bin/python3, -S, {script}], config: {{port: {port}}}, health: {{tcp: true, interval: 0.2}}, stop: {{grace: 2}}}}\n"
                     for name, port in ports.items())
    return reeve.job(f'job: {{name: move, version: "1", description: test}}\nagents:\n{agents}{more}topology: {{type: pipeline, stages: {json.dumps(stages)}}}\n')


@pytest.mark.parametrize("stages", [["a", "b"], ["b", "a"], [["a", "b"]]], ids=["first", "last", "together"])
def test_two_agents_change_ports(reeve, stages):
    one, two = free_ports(2)
    reeve.run("up", "-d", job(reeve, stages, a=one, b=two))
    assert (who(one), who(two)) == ("a", "b")
    reeve.run("up", "-d", job(reeve, stages, a=two, b=one))
    assert (who(two), who(one)) == ("a", "b")
    assert {i["health"] for i in reeve.instances("move").values()} == {"healthy"}
    reeve.run("rollback", "move")
    assert (who(one), who(two)) == ("a", "b")


def test_a_new_agent_takes_the_port_of_one_that_goes(reeve):
    one, two = free_ports(2)
    reeve.run("up", "-d", job(reeve, ["a", "b"], a=one, b=two))
    reeve.run("up", "-d", job(reeve, ["c", "b"], c=one, b=two))
    assert (who(one), who(two)) == ("c", "b")
    assert [name for name, i in reeve.instances("move").items() if i["state"] == "running"] == ["c", "b"]


def test_ports_move_along_a_row(reeve):
    ports = free_ports(4)
    before, after = dict(zip("abc", ports)), dict(zip("abc", ports[1:]))
    reeve.run("up", "-d", job(reeve, ["a", "b", "c"], **before))
    reeve.run("up", "-d", job(reeve, ["a", "b", "c"], **after))
    assert [who(port) for port in ports[1:]] == ["a", "b", "c"]


def test_a_port_of_somebody_else_is_still_refused(reeve):
    one, two = free_ports(2)
    reeve.run("up", "-d", job(reeve, ["a"], a=one))
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", two))
        stranger.listen()
        assert f"port {two} is in use" in reeve.run("up", "-d", job(reeve, ["a"], a=two), code=None).stderr
    assert who(one) == "a", "and the old one stays"


def test_a_failed_move_goes_back(reeve):
    """The new owner of the port never gets healthy: everybody has again what he had."""
    one, two = free_ports(2)
    reeve.run("up", "-d", job(reeve, ["a", "b"], a=one, b=two))
    bad = job(reeve, ["a", "b"], a=two, b=one)
    bad.write_text(bad.read_text().replace("id: a, command: [/usr/bin/python3", "id: a, command: [/usr/bin/false"))
    reeve.run("up", "-d", bad, code=7)
    assert (who(one), who(two)) == ("a", "b")


def peers(reeve, agent):
    data = reeve.directory / ("nodedata" if reeve.node == "process" else "data")
    return json.loads(next(data.rglob(f"{reeve.instances('move')[agent]['id']}/peers.json")).read_text())


def test_connected_agents_learn_where_a_peer_went(reeve):
    one, two, three = free_ports(3)
    reeve.run("up", "-d", job(reeve, ["a", "b"], a=one, b=two))
    assert f":{two}" in json.dumps(peers(reeve, "a"))
    pid = reeve.instances("move")["a"]["pid"]
    reeve.run("up", "-d", job(reeve, ["a", "b"], a=one, b=three))
    if reeve.instances("move")["a"]["pid"] == pid:
        wait_until(lambda: f":{three}" in json.dumps(peers(reeve, "a")), what="its peers file says so")
    assert f":{three}" in json.dumps(peers(reeve, "a"))
    pid = reeve.instances("move")["a"]["pid"]
    reeve.run("rollback", "move")
    wait_until(lambda: f":{two}" in json.dumps(peers(reeve, "a")), what="also after the way back")
    assert pathlib.Path(f"/proc/{reeve.instances('move')['a']['pid']}").exists()


def test_peers_that_were_not_told_are_told_again(reeve):
    """What changed while a node was away, or was said by a server that was killed, reaches the file of an agent that runs on."""
    reeve.run("up", "-d", reeve.job("""
job: {name: move, version: "1", description: test}
agents:
  - {id: a, command: [sleep, "1000"]}
  - {id: b, command: [sleep, "1000"]}
topology: {type: mesh, agents: [a, b]}
"""))
    right, pid = peers(reeve, "a"), reeve.instances("move")["a"]["pid"]
    assert right
    kept = next(reeve.directory.rglob(f"{reeve.instances('move')['a']['id']}/instance.json"))
    reeve.kill_server()
    if reeve.node == "process":
        reeve.kill_node()
    instance = json.loads(kept.read_text())
    instance["spec"]["peers"] = "[]"
    kept.write_text(json.dumps(instance))
    kept.with_name("peers.json").write_text("[]")
    reeve.start()
    wait_until(lambda: peers(reeve, "a") == right, what="its file says who its peers are")
    assert reeve.instances("move")["a"]["pid"] == pid
