"""`user:` and a user database (a directory service) that takes its time: only those who need it wait, the server and all other agents go on."""
import os
import pathlib
import pwd
import subprocess
import time

import pytest
from conftest import BIN, ROOT, wait_until

JOB = """
job: {name: %s}
agents:
  - {id: a, command: [sleep, '1000'], working_dir: /%s}
topology: {type: dynamic}
"""


class Database:
    def __init__(self, reeve):
        self.hold = reeve.directory / "hold"
        self.library = reeve.directory / "slow_users.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", self.library, ROOT / "tests/e2e/agent/slow_users.c"], check=True)

    def stop(self):
        self.hold.touch()

    def go_on(self):
        self.hold.unlink(missing_ok=True)


@pytest.fixture
def database(bare):
    if os.geteuid() != 0:
        if "root" in os.environ.get("REEVE_WITHOUT", "").split():
            pytest.skip("left out: root")
        pytest.fail("needs root for other users; leave it out with --without root")
    one = Database(bare)
    bare.start(LD_PRELOAD=str(one.library), SLOW_USERS=str(one.hold))
    try:
        yield one
    finally:
        one.go_on()


def begin(reeve, *args):
    return subprocess.Popen([BIN, "--data-dir", reeve.data, *map(str, args)], env=reeve.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def ended(process, code=0):
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)
    return out + err


def answers_for(reeve, seconds):
    """Does the server answer all the time? A loop that waits for the database answers nobody."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        assert reeve.answers()
        assert time.monotonic() - began < 2
        time.sleep(0.05)


def user_of(pid):
    return pwd.getpwuid(pathlib.Path(f"/proc/{pid}").stat().st_uid).pw_name


def test_nobody_else_waits(bare, database):
    slow, quick = bare.job(JOB % ("slow", ", user: nobody"), "slow.yaml"), bare.job(JOB % ("quick", ""), "quick.yaml")
    database.stop()
    up = begin(bare, "up", "-d", slow)
    wait_until(lambda: bare.request("GET", "/api/deployments/slow")[0] == 200, what="it was asked for")
    answers_for(bare, 1)
    bare.run("up", "-d", quick)
    assert up.poll() is None
    database.go_on()
    ended(up)
    assert user_of(bare.instances("slow")["a"]["pid"]) == "nobody"


def test_a_start_a_command_and_peers(bare, database):
    """What comes later asks again: a restart, a command beside the agent. Only they wait."""
    bare.run("up", "-d", bare.job(JOB % ("slow", ", user: nobody"), "slow.yaml"))
    first = bare.instances("slow")["a"]["pid"]
    peers = bare.data / "node/instances" / bare.instances("slow")["a"]["id"] / "peers.json"
    assert (peers.stat().st_uid, peers.stat().st_mode & 0o777) == (pwd.getpwnam("nobody").pw_uid, 0o400)
    database.stop()
    command = begin(bare, "exec", "slow", "--", "id", "-un")
    answers_for(bare, 1)
    assert command.poll() is None
    database.go_on()
    assert "nobody" in ended(command)
    database.stop()
    restart = begin(bare, "restart", "slow")
    answers_for(bare, 1)
    database.go_on()
    ended(restart)
    assert bare.instances("slow")["a"]["pid"] != first
    assert user_of(bare.instances("slow")["a"]["pid"]) == "nobody"
    assert (peers.stat().st_uid, peers.stat().st_mode & 0o777) == (pwd.getpwnam("nobody").pw_uid, 0o400)


def test_a_database_that_never_answers(bare, database):
    """After ten seconds that is said; nothing has to be ended by force."""
    database.stop()
    up = begin(bare, "up", "-d", bare.job(JOB % ("slow", ", user: nobody"), "slow.yaml"))
    assert "user 'nobody': the user database of this machine did not answer within 10 s" in ended(up, code=6)
    bare.run("down", "slow")
    bare.run("server", "stop", "--down")
    assert bare.server_process.wait(timeout=20) == 0


def test_who_is_not_there(bare, database):
    """The words that a typing error gets."""
    job = {"name": "x", "agents": [{"id": "a", "command": ["sleep", "9"], "user": "no-such-user"}], "topology": {"type": "dynamic"}}
    status, answer = bare.request("POST", "/api/deployments", {"source_name": "x", "source": "x", "job": job})
    assert status == 202, answer
    wait_until(lambda: bare.deployment("x")["status"] == "failed", what="it is refused")
    assert "agent 'a': user 'no-such-user': no such user" in bare.deployment("x")["reason"]
