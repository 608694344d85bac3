"""Many agents: 1,000 of them up and down, and two dozen that flap, with nothing growing."""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from conftest import BIN, Reeve, alive, wait_until

SLEEPER_SOURCE = "#include <signal.h>\n#include <unistd.h>\nint main(void)\n{\n  signal(SIGTERM, SIG_DFL);\n  for (;;)\n    pause();\n}\n"
BINDER_SOURCE = """#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(getenv("AGENT_PORT")))};
  int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 5) != 0)
    return 1;
  for (;;)
    pause();
}
"""
FLAP_SECONDS = int(os.environ.get("REEVE_FLAP_SECONDS", "120"))


def compiled(directory, source):
    (directory / "program.c").write_text(source)
    subprocess.run([shutil.which("cc") or "gcc", "-static", "-Os", "-o", directory / "program", directory / "program.c"], check=True)
    return directory / "program"


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory):
    """A static program that does nothing: what is measured is Reeve."""
    return compiled(tmp_path_factory.mktemp("sleeper"), SLEEPER_SOURCE)


@pytest.fixture(scope="module")
def binder(tmp_path_factory):
    """Takes its port in its first instant, or ends with 1."""
    return compiled(tmp_path_factory.mktemp("binder"), BINDER_SOURCE)


def up_and_down(reeve, sleeper, agents, replicas):
    lines = "".join(f"  - {{id: a{n}, command: [{sleeper}], replicas: {replicas}}}\n" for n in range(agents))
    job = reeve.job(f'job: {{name: many, version: "1", description: test}}\nagents:\n{lines}topology: {{type: dynamic}}\ndeployment: {{timeout: 120}}\n')
    before = time.monotonic()
    reeve.run("up", "-q", "-d", job, timeout=300)
    up = time.monotonic() - before
    instances = reeve.deployment("many")["instances"]
    pids = [instance["pid"] for instance in instances]
    assert len(set(pids)) == agents * replicas and all(instance["state"] == "running" for instance in instances)
    before = time.monotonic()
    reeve.run("down", "-q", "many", timeout=300)
    down = time.monotonic() - before
    assert not any(alive(pid) for pid in pids)
    wait_until(lambda: not reeve.shims(), 60, "no shim is left")
    return up, down


def test_slow_reader_of_progress(reeve, sleeper):
    """`up` that was stopped for a while is dropped by the server, begins again with a snapshot, and tells the outcome all the same."""
    job = reeve.job(f"job: {{name: many}}\nagents: [{{id: a, command: [{sleeper}], replicas: 200}}]\ndeployment: {{timeout: 120}}\n")
    dropped = lambda: int(next(line for line in reeve.get("/metrics").decode().splitlines() if line.startswith("reeve_event_streams_dropped_total")).split()[1])
    with subprocess.Popen([BIN, "--data-dir", reeve.data, "up", "-d", job], env=reeve.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        wait_until(lambda: reeve.get("/api/deployments")["deployments"] and "reeve_event_streams 1" in reeve.get("/metrics").decode(), what="it is watched")
        up.send_signal(signal.SIGSTOP)
        wait_until(lambda: reeve.deployment("many")["rollout"]["phase"] == "done", 60, "it is up")
        for _ in range(20):
            if dropped():
                break
            reeve.run("restart", "-q", "many")
        assert dropped() > 0
        up.send_signal(signal.SIGCONT)
        out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    assert out.count("healthy") >= 200


def test_thousand(reeve, sleeper, capsys):
    if "asan" in str(BIN):
        pytest.skip("a measure of the release build")
    up, down = up_and_down(reeve, sleeper, 100, 10)
    with capsys.disabled():
        print(f"\n1,000 agents, node {reeve.node}: up {up:.1f} s, down {down:.1f} s")


def test_a_reserved_port_is_free_when_its_agent_starts(reeve, binder):
    """Also while the shims of 200 others begin, which for a moment have everything that was open when they were forked."""
    lines = "".join(f"  - {{id: a{n}, command: [{binder}], config: {{port: {20000 + n}}}, health: {{tcp: true}}, restart: {{policy: never}}}}\n" for n in range(200))
    job = reeve.job(f"job: {{name: ports}}\nagents:\n{lines}topology: {{type: dynamic}}\ndeployment: {{timeout: 60}}\n")
    for _ in range(3):
        reeve.run("up", "-q", "-d", job)
        reeve.run("down", "-q", "ports")


def test_more_than_one_line_holds(sleeper):
    """A mesh of 600 agents, each of which is given the addresses of all others: 36 MB for one stage, where a line between server and node may have 8, and a
    node was once let go that had left 32 unread. And what the node then tells in its hello is longer than a page, too: all of it is there again after the server was killed."""
    one = Reeve(tempfile.mkdtemp(prefix="reeve-e2e-"), "process")
    try:
        one.start()
        lines = "".join(f"  - {{id: agent-{n:03}, command: [{sleeper}], config: {{port: {21000 + n}}}}}\n" for n in range(600))
        names = ", ".join(f"agent-{n:03}" for n in range(600))
        noisy = "[sh, -c, \"head -c 3900 /dev/zero | tr '\\\\0' x; exit 3\"]"
        job = one.job(f"job: {{name: mesh}}\nagents:\n{lines}topology: {{type: mesh, agents: [{names}]}}\ndeployment: {{timeout: 120, health_check: {{enabled: false}}}}\n")
        one.run("up", "-q", "-d", job, timeout=150)
        loud = one.job(f"job: {{name: loud}}\nagents: [{{id: a, command: {noisy}, replicas: 150, restart: {{policy: never}}}}]\n"
                       "deployment: {timeout: 60, on_failure: keep}\n", "loud.yaml")
        one.run("up", "-q", "-d", loud, code=None)
        failed = lambda: [i["state"] for i in one.deployment("loud")["instances"]].count("failed")
        wait_until(lambda: failed() == 150, 60, "all have failed")
        pids = {i["id"]: i["pid"] for i in one.deployment("mesh")["instances"]}
        one.kill_server()
        one.start()
        wait_until(lambda: {i["id"]: i["pid"] for i in one.deployment("mesh")["instances"]} == pids, 60, "every agent is there again")
        assert failed() == 150 and one.deployment("mesh")["status"] == "running"
        one.run("down", "-q", "mesh", timeout=120)
    finally:
        one.close()
        shutil.rmtree(one.directory, ignore_errors=True)


@pytest.mark.parametrize("node", ["embedded", "process"])
def test_more_agents_than_files_were_given(sleeper, node):
    """Server and node take as many open files as they may; agents get what was given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    one = Reeve(tempfile.mkdtemp(prefix="reeve-e2e-"), node)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        try:
            one.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        one.run("up", "-q", "-d", one.job("job: {name: asks}\nagents: [{id: a, kind: batch, command: [sh, -c, 'ulimit -n']}]\n"))
        assert one.run("logs", "asks").stdout.split()[-1] == "128"
        up_and_down(one, sleeper, 20, 10)
    finally:
        one.close()
        shutil.rmtree(one.directory, ignore_errors=True)


@pytest.mark.asan
def test_fifty(reeve, sleeper):
    up_and_down(reeve, sleeper, 50, 1)


def shape(pid):
    """(resident KiB, open descriptors) of @pid."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]), len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture
def both():
    """One Reeve with its node inside and one with a node of its own, side by side, so that a long test takes its time once."""
    pair = [Reeve(tempfile.mkdtemp(prefix="reeve-e2e-"), node) for node in ("embedded", "process")]
    try:
        yield [one.start(REEVE_DUMPABLE="1") for one in pair]  # their descriptors are counted
    finally:
        for one in pair:
            one.close()
            shutil.rmtree(one.directory, ignore_errors=True)


class Flapping:
    """24 agents that live for a moment, again and again."""

    def __init__(self, reeve):
        lines = "".join(f'  - {{id: f{n}, command: [sleep, "0.{n + 10}"], restart: {{policy: always, max: -1, delay: 0.05, max_delay: 0.05}}}}\n' for n in range(24))
        job = reeve.job(f'job: {{name: flap, version: "1", description: test}}\nagents:\n{lines}topology: {{type: dynamic}}\n'
                        'deployment: {on_failure: keep, health_check: {min_healthy: 0}}\n')
        reeve.run("up", "-d", job, code=None)  # one may end while its stage starts, and is kept
        self.reeve, self.pids = reeve, [process.pid for process in (reeve.server_process, reeve.node_process) if process]

    def attempts(self):
        return sum(instance["attempt"] for instance in self.reeve.deployment("flap")["instances"])

    def note(self):
        self.early, self.first = [shape(pid) for pid in self.pids], self.attempts()

    def check(self):
        assert self.attempts() > self.first + FLAP_SECONDS, "they flap all the time"
        for (kib, fds), (kib_late, fds_late) in zip(self.early, (shape(pid) for pid in self.pids)):
            assert kib_late < kib * 1.25 + 2048, f"node {self.reeve.node}: resident memory went from {kib} to {kib_late} KiB"
            assert fds_late <= fds + 24, f"node {self.reeve.node}: descriptors went from {fds} to {fds_late}"


def test_flapping(both):
    """Memory and descriptors of server and node stay flat while two dozen agents flap for two minutes (REEVE_FLAP_SECONDS)."""
    runs = [Flapping(reeve) for reeve in both]
    for run in runs:
        wait_until(lambda run=run: run.attempts() > 200, 300, "they flap")
        run.note()
    end = time.monotonic() + FLAP_SECONDS
    wait_until(lambda: time.monotonic() > end, FLAP_SECONDS + 30, "the time is over")
    for run in runs:
        run.check()
        run.reeve.run("down", "flap")
        wait_until(lambda run=run: not run.reeve.shims(), what="no shim is left")
