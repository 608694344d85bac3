"""reeve exec: a command beside an agent, held by a shim, streamed to its caller, gone with it."""
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import time

import pytest
from conftest import BIN, alive, wait_until

AGENTS = """
job: {name: desk, version: "1", description: test}
agents:
  - {id: a, command: [sleep, "1000"], environment: {COLOUR: "blue"}, replicas: 2}
  - {id: b, command: [sleep, "1000"], working_dir: WHERE}
topology: {type: dynamic}
"""


@pytest.fixture
def desk(reeve):
    where = reeve.directory / "where"
    where.mkdir()
    reeve.run("up", "-d", reeve.job(AGENTS.replace("WHERE", str(where))))
    return reeve


def execute(reeve, target, *command, code=0, **more):
    return reeve.run("exec", *more.pop("options", ()), target, "--", *command, code=code, **more)


def runs(reeve):
    """Directories of commands that the node still holds."""
    data = reeve.directory / ("nodedata" if reeve.node == "process" else "data")
    return [path for path in data.rglob("runs/*")]


def audit(reeve):
    with sqlite3.connect(f"file:{next(reeve.data.glob('*.db'))}?mode=ro", uri=True) as store:
        return store.execute("select actor, action, object, detail from audit where action = 'exec'").fetchall()


@pytest.mark.asan
def test_output_and_exit_code_are_the_callers(desk):
    done = execute(desk, "desk/a", "sh", "-c", "echo to-out; echo to-err >&2; exit 7", code=7)
    assert (done.stdout, done.stderr) == ("to-out\n", "to-err\n")
    assert execute(desk, "desk/a", "sh", "-c", "kill -9 $$", code=137).stdout == ""
    assert execute(desk, "desk/a", "cat").stdout == "", "its input is closed"
    wait_until(lambda: not runs(desk), what="nothing stays behind")


@pytest.mark.asan
def test_sees_what_the_agent_sees(desk):
    env = dict(line.split("=", 1) for line in execute(desk, "desk/a/1", "env").stdout.splitlines() if "=" in line)
    assert (env["COLOUR"], env["AGENT_ID"], env["REEVE_REPLICA"]) == ("blue", "a", "1")
    assert json.loads(pathlib.Path(env["AGENT_PEERS_FILE"]).read_text()) is not None
    assert "COLOUR" not in execute(desk, "desk/b", "env").stdout
    assert execute(desk, "desk/b", "pwd").stdout.strip() == str(desk.directory / "where")
    limits = execute(desk, "desk/b", "sh", "-c", "ulimit -n; ulimit -Hn").stdout
    pid = desk.instances("desk")["b"]["pid"]
    row = next(line for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open files"))
    assert limits.split() == row.split()[3:5]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs agents as another user")
def test_runs_as_the_agents_user(reeve):
    reeve.run("up", "-d", reeve.job('job: {name: desk, version: "1", description: test}\nagents:\n'
                                    '  - {id: a, command: [sleep, "1000"], user: nobody, working_dir: /}\ntopology: {type: dynamic}\n'))
    assert execute(reeve, "desk", "id", "-un").stdout.strip() == "nobody", "and the only agent needs no name"


@pytest.mark.asan
def test_bytes_arrive_as_they_are(desk):
    script = "import os\nos.write(1, bytes(range(256)) * 4096)\nos.write(2, 'grün'.encode() * 1000)"
    done = subprocess.run([BIN, "--data-dir", desk.data, "exec", "desk/a", "--", "/usr/bin/python3", "-S", "-c", script], env=desk.environment, capture_output=True,
                          timeout=60, check=True)
    assert done.stdout == bytes(range(256)) * 4096
    assert done.stderr.decode() == "grün" * 1000


def test_refusals(desk):
    assert "no such deployment" in execute(desk, "nobody/a", "true", code=4).stderr
    assert "agents: a, b" in execute(desk, "desk/c", "true", code=4).stderr
    assert "no such instance" in execute(desk, "desk/a/2", "true", code=4).stderr
    assert "name one: a, b" in execute(desk, "desk", "true", code=3).stderr
    assert "invalid replica number" in execute(desk, "desk/a/x", "true", code=2).stderr
    assert "run 'no-such-program': No such file or directory" in execute(desk, "desk/a", "no-such-program", code=127).stderr
    desk.run("down", "desk")
    assert "the agent is stopped; exec needs one that runs" in execute(desk, "desk/a", "true", code=10).stderr


def test_timeout(desk):
    begun = time.monotonic()
    done = execute(desk, "desk/a", "sh", "-c", "echo before; trap '' TERM; sleep 1000 & sleep 1000; sleep 1000", code=9, options=("--timeout", "300ms"))
    assert time.monotonic() - begun < 30
    assert done.stdout == "before\n" and "timed out after 300 ms" in done.stderr
    wait_until(lambda: not runs(desk), what="its tree is gone")


@pytest.mark.asan
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ends_with_its_caller(desk, how):
    """Also what the command forked away, and what ignores SIGTERM."""
    script = "trap '' TERM; setsid sleep 987654 & echo $$ $!; wait"
    with subprocess.Popen([BIN, "--data-dir", desk.data, "exec", "desk/a", "--", "sh", "-c", script], env=desk.environment, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as caller:
        pids = [int(word) for word in caller.stdout.readline().split()]
        assert len(pids) == 2 and all(alive(pid) for pid in pids)
        caller.send_signal(how)
        caller.wait(timeout=10)
        wait_until(lambda: not any(alive(pid) for pid in pids), 3, "the command is gone within a moment")
    wait_until(lambda: not runs(desk), what="its directory is gone")


@pytest.mark.parametrize("who", ["server", "node", "shim"])
def test_ends_with_server_node_and_shim(desk, who):
    if who == "node" and desk.node == "embedded":
        pytest.skip("there is none")
    with subprocess.Popen([BIN, "--data-dir", desk.data, "exec", "desk/a", "--", "sh", "-c", "echo $$; sleep 987654"], env=desk.environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as caller:
        pid = int(caller.stdout.readline())
        agents = {name: i["pid"] for name, i in desk.instances("desk").items()}
        if who == "server":
            desk.kill_server()
        elif who == "node":
            desk.kill_node()
        else:
            os.kill(next(shim for name, shim in desk.shims().items() if not name.startswith("ins_")), signal.SIGKILL)
        assert caller.wait(timeout=10) == 10, caller.stderr.read()
        wait_until(lambda: not alive(pid), 5, "the command is gone")
    if who == "server":
        desk.start()
    elif who == "node":
        desk.start_node()
    wait_until(lambda: {name: i["pid"] for name, i in desk.instances("desk").items()} == agents, what="the agents went on")
    wait_until(lambda: not runs(desk), what="nothing stays behind")


def test_a_slow_reader_holds_the_command_back(desk):
    """16 MiB from a command whose caller does not read: it stands still, nothing piles up, and all arrives in the end."""
    counter = desk.directory / "counter"
    script = f"import os\nfor n in range(256):\n    os.write(1, b'x' * 65536)\n    open({str(counter)!r}, 'w').write(str(n))"
    with subprocess.Popen([BIN, "--data-dir", desk.data, "exec", "desk/a", "--", "/usr/bin/python3", "-S", "-c", script], env=desk.environment, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as caller:
        seen, same = None, 0
        deadline = time.monotonic() + 30
        while same < 20 and time.monotonic() < deadline:  # it is still when nothing moved for a while
            now = counter.read_text() if counter.exists() else None
            same = same + 1 if now == seen and now else 0
            seen = now
            time.sleep(0.05)
        assert same >= 20 and int(seen) < 200, seen
        assert len(caller.stdout.read()) == 256 * 65536
        assert caller.wait(timeout=30) == 0


def test_audited_without_arguments(desk):
    execute(desk, "desk/a/1", "echo", "a-secret")
    assert (f"uid:{os.geteuid()}", "exec", "desk", "a/1: echo") in audit(desk)
    assert b"a-secret" not in b"".join(path.read_bytes() for path in desk.data.glob("*.db*"))


def test_no_more_than_so_many(desk):
    """The 33rd at a time is refused, and there is room again when they are gone."""
    body = json.dumps({"agent": "a", "argv": ["sleep", "1000"]}).encode()
    request = b"POST /api/deployments/desk/exec HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    open_ones = []
    try:
        for _ in range(32):
            one = socket.socket(socket.AF_UNIX)
            open_ones.append(one)
            one.settimeout(10)
            one.connect(str(desk.data / "control.sock"))
            one.sendall(request)
            assert b"200 OK" in one.recv(4096)
        assert "too many commands run" in execute(desk, "desk/a", "true", code=10).stderr
    finally:
        for one in open_ones:
            one.close()
    wait_until(lambda: execute(desk, "desk/a", "true", code=None).returncode == 0, what="there is room again")
