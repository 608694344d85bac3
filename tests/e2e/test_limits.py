"""Limits of memory, cpu and pids: enforced where this machine permits it, and said by name where not."""
import contextlib
import os
import pathlib
import signal
import subprocess

import pytest
from conftest import BIN, wait_until

LIMITED = """
job: {name: lim, version: "1", description: test}
agents:
  - {id: a, command: [sleep, "1000"], resources: {memory: 64Mi, cpu: 0.5, pids: 30}}
  - {id: b, command: [sleep, "1000"]}
topology: {type: dynamic}
"""


PIDS = pathlib.Path("/sys/fs/cgroup/pids")


def enforced():
    return PIDS.is_dir() and os.access(PIDS, os.W_OK)


def group_of(pid):
    """The control group for pids that @pid is in."""
    line = next(line for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.split(":")[1] == "pids")
    return PIDS / line.split(":", 2)[2].lstrip("/")


@pytest.mark.skipif(not enforced(), reason="no control group of version 1 that we may write")
def test_a_limit_holds_and_its_group_goes(reeve):
    reeve.run("up", "-d", reeve.job(LIMITED))
    assert reeve.instances("lim")["a"]["unenforced"] == [] == reeve.instances("lim")["b"]["unenforced"]
    group = group_of(reeve.instances("lim")["a"]["pid"])
    assert group.parent.name == "reeve" and group.name.endswith(reeve.instances("lim")["a"]["id"])
    forks = "i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i + 1)); done; echo all; kill 0"
    assert "all" not in reeve.run("exec", "lim/a", "--", "sh", "-c", forks, code=None).stdout, "a command is held to the agent's limits"
    wait_until(lambda: len((group / "cgroup.procs").read_text().split()) == 1, what="only the agent is left")
    reeve.run("down", "lim")
    wait_until(lambda: not group.exists(), what="its group is gone")


@pytest.fixture
def fenced(bare):
    """A server that sees no control group but one of this test, whose directory on this machine is @fenced.group."""
    bare.group = PIDS / bare.directory.name
    bare.group.mkdir()
    script = f"""echo 0 > {bare.group}/cgroup.procs && exec unshare -C -m sh -c '
        mount -t tmpfs none /sys/fs/cgroup && mkdir {PIDS} && mount -t cgroup -o pids none {PIDS} && exec "$@"' sh "$@" """

    def start():
        log = open(bare.directory / "server.out", "ab")
        bare.server_process = subprocess.Popen(["sh", "-c", script, "sh", BIN, "--data-dir", bare.data, "server"], env=bare.environment, stdout=log, stderr=log,
                                               stdin=subprocess.DEVNULL)
        wait_until(bare.answers, what="the server answers")

    bare.start_fenced = start
    start()
    yield bare
    bare.run("server", "stop", "--down", code=None)
    bare.server_process.wait(timeout=30)
    for group in [*bare.group.glob("reeve/*"), bare.group / "reeve", bare.group]:
        with contextlib.suppress(OSError):
            group.rmdir()


def groups(fenced):
    return sorted(group.name for group in fenced.group.glob("reeve/*") if group.is_dir())


FENCED = """
job: {name: lim, version: "1", description: test}
on_failure: keep
agents:
  - {id: a, command: [sleep, "1000"], resources: {pids: 30}, restart: {policy: never}}
  - {id: b, command: [sleep, "1000"], resources: {pids: 30}, restart: {policy: never}}
topology: {type: dynamic}
"""


@pytest.mark.skipif(not enforced(), reason="no control group of version 1 that we may write")
def test_no_group_stays_after_the_last_agent(fenced):
    fenced.run("up", "-d", fenced.job(FENCED))
    assert len(groups(fenced)) == 2
    command = subprocess.Popen([BIN, "--data-dir", fenced.data, "exec", "lim/a", "--", "sleep", "1000"], env=fenced.environment, stdin=subprocess.DEVNULL)
    wait_until(lambda: len((group_of(fenced.instances("lim")["a"]["pid"]) / "cgroup.procs").read_text().split()) == 2, what="a command runs beside the agent")
    fenced.run("down", "lim")
    command.kill()  # it may outlive its agent, in the agent's group
    command.wait()
    wait_until(lambda: groups(fenced) == [], what="their groups are gone")
    fenced.run("server", "stop", "--down")
    wait_until(lambda: not (fenced.group / "reeve").exists(), what="so is the group around them")


@pytest.mark.skipif(not enforced(), reason="no control group of version 1 that we may write")
def test_a_group_goes_with_an_agent_whose_shim_was_killed(fenced):
    fenced.run("up", "-d", fenced.job(FENCED))
    b = fenced.instances("lim")["b"]
    os.kill(fenced.shims()[fenced.instances("lim")["a"]["id"]], signal.SIGKILL)
    wait_until(lambda: fenced.instances("lim")["a"]["state"] == "failed", what="the agent is ended")
    wait_until(lambda: groups(fenced) == [group_of(b["pid"]).name], what="its group is gone, the other stays")
    fenced.run("exec", "lim/a", "--", "true")
    wait_until(lambda: groups(fenced) == [group_of(b["pid"]).name], what="nor does that of a command beside what has ended stay")


@pytest.mark.skipif(not enforced(), reason="no control group of version 1 that we may write")
def test_groups_of_a_former_life_go(fenced):
    fenced.run("up", "-d", fenced.job(FENCED))
    instance = fenced.instances("lim")["a"]
    group, other = group_of(instance["pid"]), group_of(fenced.instances("lim")["b"]["pid"])
    unknown = group.with_name(group.name.replace(instance["id"], "ins_999999"))
    foreign = group.with_name("1-1-ins_000001")
    unknown.mkdir()
    foreign.mkdir()
    fenced.kill_server()
    os.kill(fenced.shims()[instance["id"]], signal.SIGKILL)
    os.kill(instance["pid"], signal.SIGKILL)
    fenced.start_fenced()
    wait_until(lambda: groups(fenced) == sorted([foreign.name, other.name]), what="what nobody holds is gone, what lives or is another node's stays")


HUNGRY = """
job: {name: hungry, version: "1", description: test}
on_failure: keep
agents:
  - {id: a, command: [python3, -c, "x = b'1' * (200 << 20)"], resources: {memory: 32M}, restart: {max: 0}}
"""


@pytest.mark.skipif(not enforced(), reason="no control group of version 1 that we may write")
def test_out_of_memory_is_said(reeve):
    reeve.run("up", "-d", reeve.job(HUNGRY), code=None)
    instance = wait_until(lambda: (i := reeve.instances("hungry")["a"])["state"] == "failed" and i, what="the agent was killed")
    assert "killed by signal 9 (Killed), out of memory: its limit is 32 MiB" in instance["reason"]


def without_groups(reeve, *args):
    """A verb where /sys/fs/cgroup is hidden from it."""
    script = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"'
    return subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", BIN, "--data-dir", reeve.data, *map(str, args)], env=reeve.environment, capture_output=True,
                          text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount namespace")
def test_what_cannot_be_enforced_is_named(bare):
    job = bare.job(LIMITED)
    plan = without_groups(bare, "plan", job)
    assert plan.returncode == 0
    for limit in ("memory", "cpu", "pids"):
        assert f"agent 'a': its {limit} limit will not be enforced here (no writable cgroup; see: reeve doctor)" in plan.stderr
    assert "agent 'b'" not in plan.stderr
    assert without_groups(bare, "plan", "--strict", job).returncode == 3
    assert "limits of memory, cpu, pids are not enforced" in without_groups(bare, "doctor").stdout
    started = without_groups(bare, "up", "-d", job)
    assert started.returncode == 0, started.stderr
    assert bare.instances("lim")["a"]["unenforced"] == ["memory", "cpu", "pids"]
    assert bare.instances("lim")["b"]["unenforced"] == []
    node = bare.get("/api/nodes")["nodes"][0]
    assert node["unenforced"] == ["memory", "cpu", "pids"] and node["cgroups"] == "no writable cgroup"
    assert "a runs without its limit of memory, cpu, pids: node 'local'" in bare.run("status", "lim").stdout
    assert "node 'local' has no writable cgroup: limits of memory, cpu, pids are not enforced" in bare.run("doctor", code=None).stdout
