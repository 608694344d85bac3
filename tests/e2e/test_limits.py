"""Limits of memory, cpu and pids: enforced where this machine permits it, and said by name where not."""
import os
import pathlib
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


def enforced():
    return pathlib.Path("/sys/fs/cgroup/pids").is_dir() and os.access("/sys/fs/cgroup/pids", os.W_OK)


@pytest.mark.skipif(not enforced(), reason="no control group of version 1 that we may write")
def test_a_limit_holds_and_its_group_goes(reeve):
    reeve.run("up", "-d", reeve.job(LIMITED))
    assert reeve.instances("lim")["a"]["unenforced"] == [] == reeve.instances("lim")["b"]["unenforced"]
    group = pathlib.Path("/sys/fs/cgroup/pids/reeve") / reeve.instances("lim")["a"]["id"]
    assert str(reeve.instances("lim")["a"]["pid"]) in (group / "cgroup.procs").read_text().split()
    forks = "i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i + 1)); done; echo all; kill 0"
    assert "all" not in reeve.run("exec", "lim/a", "--", "sh", "-c", forks, code=None).stdout, "a command is held to the agent's limits"
    wait_until(lambda: len((group / "cgroup.procs").read_text().split()) == 1, what="only the agent is left")
    reeve.run("down", "lim")
    wait_until(lambda: not group.exists(), what="its group is gone")


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
