"""A disk without room: changes are refused with a word for it, everything else goes on, and Reeve recovers by itself when there is room."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from conftest import Reeve, alive, wait_until

TICKER = """
import os, sys, time
n = 0
while True:
    n += 1
    print('tick', n, 'x' * 200, flush=True)
    with open(sys.argv[1] + '.new', 'w') as file: file.write(str(n))
    os.replace(sys.argv[1] + '.new', sys.argv[1])
    time.sleep(0.01)
"""


def job(script, progress, more=""):
    return f"""
job: {{name: full, version: "1", description: test}}
agents:
  - {{id: ticker, command: [/usr/bin/python3, -S, {script}, {progress}]}}
  - {{id: other, command: [sleep, "1000"]{more}}}
topology: {{type: dynamic}}
"""


def need_root():
    if os.geteuid() != 0:
        if "root" in os.environ.get("REEVE_WITHOUT", "").split():
            pytest.skip("left out: root")
        pytest.fail("needs root to mount a small disk; leave it out with --without root")


@pytest.fixture(params=["embedded", "process"])
def small(request):
    """(reeve with everything of it on 3 MiB, a directory that has room)"""
    need_root()
    disk, room = tempfile.mkdtemp(prefix="reeve-e2e-"), tempfile.mkdtemp(prefix="reeve-e2e-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True)
    reeve = Reeve(disk, request.param)
    try:
        yield reeve.start(), pathlib.Path(room)
    finally:
        (pathlib.Path(disk) / "ballast").unlink(missing_ok=True)
        reeve.close()
        subprocess.run(["umount", "-l", disk], check=False)
        shutil.rmtree(disk, ignore_errors=True)
        shutil.rmtree(room, ignore_errors=True)


@contextlib.contextmanager
def few_inodes(directory):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m,nr_inodes=100", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", directory], check=False)


def test_doctor_names_inodes(bare):
    need_root()
    bare.data.mkdir(exist_ok=True)
    with few_inodes(bare.data):
        assert "inodes free" in bare.run("doctor", code=1).stdout


def fill(reeve):
    with contextlib.suppress(OSError), open(reeve.directory / "ballast", "ab", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)


def test_full_and_empty_again(small):
    reeve, room = small
    script, progress = room / "ticker.py", room / "progress"
    script.write_text(TICKER)
    path = room / "job.yaml"
    path.write_text(job(script, progress))
    reeve.run("up", "-d", path)
    before = {name: instance["pid"] for name, instance in reeve.instances("full").items()}

    def refused():
        fill(reeve)  # logs are rotated and give a little room back
        return reeve.run("restart", "full", "other", code=None).returncode == 11

    wait_until(refused, 30, "changes are refused for want of room")
    path.write_text(job(script, progress, ', environment: {X: "1"}'))
    done = reeve.run("up", "-d", path, code=11)
    assert "no room on the disk" in done.stderr
    assert reeve.get("/healthz")["status"] == "degraded" and reeve.get("/api/server")["store"] == "full"
    assert "full" in reeve.run("server", "status").stdout
    doctor = reeve.run("doctor", code=1)
    assert "store" in doctor.stdout, doctor.stdout
    assert "full" in reeve.run("status").stdout + reeve.run("status").stderr
    json.loads(reeve.run("ps", "-o", "json").stdout)

    seen = int(progress.read_text())
    wait_until(lambda: int(progress.read_text()) > seen + 20, what="the agent whose output has no room goes on")
    assert all(alive(pid) for pid in before.values())

    (reeve.directory / "ballast").unlink()
    wait_until(lambda: reeve.get("/healthz")["status"] == "ok", what="it recovers by itself")
    reeve.run("up", "-d", path)
    after = {name: instance["pid"] for name, instance in reeve.instances("full").items()}
    assert after["ticker"] == before["ticker"] and after["other"] != before["other"]
    wait_until(lambda: "bytes of output were dropped" in reeve.run("logs", "full", "ticker").stdout, what="the log says what it lost")


def metric(reeve, name):
    return next(int(line.split()[1]) for line in reeve.request("GET", "/metrics")[1].decode().splitlines() if line.startswith(name + " "))


def test_streams_go_on(small):
    """The core is loaded again after a failed commit, and once more for what a node tells: who follows logs, or runs a command, sees nothing of it."""
    reeve, room = small
    script, progress, gate = room / "ticker.py", room / "progress", room / "gate"
    script.write_text(TICKER)
    path = room / "job.yaml"
    path.write_text(job(script, progress))
    reeve.run("up", "-d", path)
    with open(room / "followed", "wb") as followed, open(room / "ran", "wb") as ran:
        command = [os.environ["REEVE_BIN"], "--data-dir", reeve.data]
        streams = [subprocess.Popen([*command, "logs", "full", "ticker", "--follow"], stdout=followed, env=reeve.environment),
                   subprocess.Popen([*command, "exec", "full/other", "--", "sh", "-c", f"echo begun; while [ ! -e {gate} ]; do sleep 0.1; done; echo done; exit 7"],
                                    stdout=ran, env=reeve.environment)]
    try:
        wait_until(lambda: (room / "followed").stat().st_size and b"begun" in (room / "ran").read_bytes(), what="both streams have begun")

        def refused():
            fill(reeve)
            return reeve.run("restart", "full", "other", code=None).returncode == 11

        wait_until(refused, 30, "changes are refused for want of room")
        wait_until(lambda: metric(reeve, "reeve_core_reloads_total") >= 1, what="the core was loaded again")
        (reeve.directory / "ballast").unlink()
        wait_until(lambda: reeve.get("/healthz")["status"] == "ok", what="it recovers by itself")
        wait_until(lambda: reeve.run("restart", "full", "ticker", code=None).returncode == 0, 30, "the node is heard again")
        size = (room / "followed").stat().st_size
        wait_until(lambda: (room / "followed").stat().st_size > size + 10000, what="the log is followed on")
        assert [stream.poll() for stream in streams] == [None, None]
        gate.write_text("")
        assert streams[1].wait(timeout=30) == 7
        assert b"done" in (room / "ran").read_bytes()
        assert "node link gone" not in (reeve.directory / "server.out").read_text()
    finally:
        for stream in streams:
            stream.kill()
            stream.wait()


def test_server_starts_on_a_full_disk(small):
    """Reading needs no room: a server that was killed serves again, read-only, and the agents are adopted."""
    reeve, room = small
    path = room / "job.yaml"
    path.write_text(job("/dev/null", room / "progress").replace("/usr/bin/python3, -S, /dev/null", "sleep, 1000, #").replace(f", #, {room}/progress", ""))
    reeve.run("up", "-d", path)
    before = {name: instance["pid"] for name, instance in reeve.instances("full").items()}
    fill(reeve)
    reeve.kill_server()
    fill(reeve)
    reeve.start()
    wait_until(lambda: {name: instance["pid"] for name, instance in reeve.instances("full").items()} == before, what="the agents are seen again")
    assert all(alive(pid) for pid in before.values())
    (reeve.directory / "ballast").unlink()
    wait_until(lambda: reeve.run("down", "full", code=None).returncode == 0, 30, "it can be changed again")
