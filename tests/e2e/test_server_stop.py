"""The ways to end a server, and what each does to the agents."""
import os
import pty
import signal
import subprocess
import threading

import pytest
from conftest import BIN, alive, wait_until

JOB = """
job: {name: s, version: "1", description: test}
agents:
  - {id: a, command: [sleep, "1000"]}
  - {id: b, command: [sleep, "1000"]}
topology: {type: pipeline, stages: [a, b]}
"""


def pids(reeve):
    return {key: instance["pid"] for key, instance in reeve.instances("s").items()}


@pytest.mark.asan
def test_refuses_while_agents_run_and_names_them(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    done = reeve.run("server", "stop", code=5)
    assert "s/a" in done.stderr and "s/b" in done.stderr, done.stderr
    assert reeve.answers() and all(alive(pid) for pid in before.values())


def test_a_removed_socket_is_bound_again(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    (reeve.data / "control.sock").unlink()
    assert "agents go on" in reeve.run("server", "stop", "--keep").stderr, "it asks the lock before it says that no server runs"
    assert reeve.server_process.wait(timeout=20) == 0
    reeve.start()
    wait_until(lambda: pids(reeve) == before, what="all are adopted")
    (reeve.data / "control.sock").unlink()
    if reeve.node == "process":
        (reeve.directory / "node.sock").unlink()
    os.kill(reeve.server_process.pid, signal.SIGSTOP)
    refused = reeve.run("server", "stop", "--keep", code=10)
    os.kill(reeve.server_process.pid, signal.SIGCONT)
    assert f"pid {reeve.server_process.pid}" in refused.stderr
    wait_until(reeve.answers, what="it answers again")
    if reeve.node == "process":
        wait_until((reeve.directory / "node.sock").exists, what="nodes can dial in again")


@pytest.mark.parametrize("taken", ["directory", "lock"])
def test_a_removed_directory_ends_the_server(bare, taken):
    """Else a second server would start every agent again, and nobody would see the first."""
    bare.start()
    bare.run("up", "-d", bare.job(JOB))
    before = pids(bare)
    away = bare.directory / "away"
    if taken == "lock":
        (bare.data / "lock").unlink()
    else:
        bare.data.rename(away)
    assert bare.server_process.wait(timeout=20) == 12
    assert "data directory is not ours any more" in (bare.directory / "server.out").read_text()
    assert all(alive(pid) for pid in before.values())
    if taken == "directory":
        away.rename(bare.data)
    bare.start()
    wait_until(lambda: pids(bare) == before, what="all are adopted")


def test_the_log_of_a_background_server_is_begun_anew(bare):
    bare.run("server", "start")
    log = bare.data / "server.log"
    os.truncate(log, 11 << 20)
    wait_until((bare.data / "server.log.1").exists, what="the full log is set aside")
    wait_until(lambda: "log begun anew" in log.read_text(), what="a new one is written")
    assert log.stat().st_mode & 0o777 == 0o600
    bare.run("server", "stop", "--keep")
    assert "server leaves" in log.read_text()


def test_what_is_open_to_others_is_closed(bare):
    bare.start()
    bare.run("server", "stop", "--keep")
    bare.server_process.wait(timeout=20)
    bare.data.chmod(0o777)
    (bare.data / "reeve.db").chmod(0o666)
    bare.start()
    assert bare.data.stat().st_mode & 0o777 == 0o755 and (bare.data / "reeve.db").stat().st_mode & 0o777 == 0o600
    assert "closed" in (bare.directory / "server.out").read_text()
    bare.run("server", "stop", "--keep")
    bare.server_process.wait(timeout=20)
    if os.geteuid() != 0:
        return
    bare.data.chmod(0o777)
    os.chown(bare.data, 65534, 65534)  # another's is not ours to change
    done = subprocess.run([BIN, "--data-dir", bare.data, "server"], env=bare.environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 13 and "mode 700" in done.stderr
    os.chown(bare.data, 0, 0)
    bare.data.chmod(0o700)


@pytest.mark.asan
def test_keep_leaves_them_to_the_next_server(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    reeve.run("server", "stop", "--keep")
    assert reeve.server_process.wait(timeout=20) == 0
    assert all(alive(pid) for pid in before.values())
    reeve.start()
    wait_until(lambda: pids(reeve) == before and reeve.deployment("s")["status"] == "running", what="the agents are adopted")


@pytest.mark.asan
def test_down_stops_them_first(reeve):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    reeve.run("server", "stop", "--down")
    assert reeve.server_process.wait(timeout=20) == 0
    assert not any(alive(pid) for pid in before.values())
    reeve.start()
    assert reeve.deployment("s")["status"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_signals_keep_the_agents(reeve, number):
    reeve.run("up", "-d", reeve.job(JOB))
    before = pids(reeve)
    reeve.kill_server(number)
    assert all(alive(pid) for pid in before.values())
    reeve.start()
    wait_until(lambda: pids(reeve) == before, what="the agents are adopted")


def test_a_lost_terminal_does_not_end_the_server(reeve):
    reeve.server_process.send_signal(signal.SIGHUP)
    assert reeve.answers() and reeve.server_process.poll() is None


def test_nothing_runs(bare):
    assert "no server runs" in bare.run("server", "stop").stderr
    bare.run("server", "start")
    assert "store:     ok" in bare.run("server", "status").stdout
    bare.run("server", "stop")
    wait_until(lambda: not bare.answers(), what="the server is gone")


def test_keep_and_down_exclude_each_other(reeve):
    assert "exclude each other" in reeve.run("server", "stop", "--keep", "--down", code=2).stderr


@pytest.mark.asan
def test_two_ups_at_once_start_one_server(bare):
    other = bare.directory / "other.yaml"
    other.write_text(JOB.replace("name: s", "name: t"))
    both = [subprocess.Popen([BIN, "--data-dir", bare.data, "up", "-d", path], env=bare.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for path in (bare.job(JOB), other)]
    for one in both:
        _, said = one.communicate(timeout=60)
        assert one.returncode == 0, said
    assert {d["name"] for d in bare.get("/api/deployments")["deployments"]} == {"s", "t"}


class Foreground:
    """`reeve up` on a terminal of its own."""

    def __init__(self, reeve, job):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([BIN, "--data-dir", reeve.data, "up", job], env=reeve.environment, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True, preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
        os.close(slave)
        self.said = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            while piece := os.read(self.master, 4096):
                self.said += piece
        except OSError:
            pass

    def close(self):
        self.process.kill()
        self.process.wait()


def test_ctrl_c_stops_the_deployment(reeve):
    up = Foreground(reeve, reeve.job(JOB))
    try:
        wait_until(lambda: b"Ctrl-C stops" in up.said, what="it stays")
        before = pids(reeve)
        os.write(up.master, b"\x03")
        up.process.wait(timeout=30)
        assert reeve.deployment("s")["status"] == "stopped"
        assert not any(alive(pid) for pid in before.values())
    finally:
        up.close()


def test_a_lost_terminal_detaches(reeve):
    up = Foreground(reeve, reeve.job(JOB))
    try:
        wait_until(lambda: b"Ctrl-C stops" in up.said, what="it stays")
        before = pids(reeve)
        os.kill(up.process.pid, signal.SIGHUP)
        up.process.wait(timeout=30)
        assert reeve.deployment("s")["status"] == "running"
        assert all(alive(pid) for pid in before.values())
    finally:
        up.close()


def test_stop_down_leaves_no_shim(reeve):
    """An outcome is durable before its shim leaves; the server does not leave before both."""
    reeve.run("up", "-d", reeve.job('job: {name: many}\nagents: [{id: a, command: [sleep, "1000"], replicas: 100}]\n'))
    reeve.run("server", "stop", "--down")
    wait_until(lambda: not reeve.shims(), 10, "no shim is left")
