"""What every row of the bench needs: a private Reeve, processes that are cleaned up, memory and CPU readings, and start reports by datagram."""
import atexit
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
REEVE = BUILD / "reeve"
BENCH = BUILD / "bench"


def wait_until(predicate, seconds, what):
    """Polls @predicate every 2 ms until it is true; the deadline is an error that names @what."""
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.002)


def scratch():
    """A directory that stays until the bench ends: ext4 without a journal does not use inodes again that were freed within the last minute, and
    looks at each of them before it takes another. What one row removes would be paid for by the next."""
    directory = tempfile.mkdtemp(prefix="reeve-bench-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


class Starts:
    """A datagram socket that the children of bench/ref/child.c report their start to: (pid, CLOCK_MONOTONIC seconds)."""

    def __init__(self, directory):
        self.path = str(pathlib.Path(directory) / "starts.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(self.path)

    def take(self, count, seconds=60):
        got = []
        self.socket.settimeout(seconds)
        while len(got) < count:
            pid, at = self.socket.recv(64).split()
            got.append((int(pid), int(at) / 1e9))
        return got


class Reeve:
    """A server of its own in a private directory."""

    def __init__(self):
        self.directory = scratch()
        self.socket = f"{self.directory}/data/control.sock"

    def run(self, *args, check=True, **more):
        return subprocess.run([REEVE, "--data-dir", f"{self.directory}/data", *args], check=check, capture_output=True, text=True, **more)

    def start(self):
        self.run("server", "start")
        return self

    def get(self, path):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as peer:
            peer.connect(self.socket)
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        head, body = answer.split(b"\r\n\r\n", 1)
        return body

    def pid(self):
        return json.loads(self.get("/healthz"))["pid"]

    def job(self, text, name="job.yaml"):
        path = f"{self.directory}/{name}"
        pathlib.Path(path).write_text(text)
        return path

    def close(self):
        self.run("server", "stop", "--down", check=False, timeout=120)


def sleepers_job(count, extra="", name="bench", environment=None):
    """Agents without port that nobody waits for to have stayed up: `min_healthy` is 0 in every row of the bench."""
    lines = [f"job: {{name: {name}, version: '1', description: bench}}", "topology: {type: dynamic}",
             "deployment: {timeout: 120, health_check: {min_healthy: 0}}"]
    if environment:
        lines.append("environment: " + json.dumps(environment))
    lines.append("agents:")
    lines += [f"  - {{id: a{i}, command: [{BENCH}/bench_child]{extra}}}" for i in range(count)]
    return "\n".join(lines) + "\n"


def descendants(pid):
    """@pid and everything below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry)] = int(pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
    family, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        grown = bool(more)
        family |= more
    return family


def named(name):
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{entry}/comm").read_text().strip() == name[:15]:
                    found.add(int(entry))
    return found


def memory_kib(pids, field="Pss:"):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(field):
                    total += int(line.split()[1])
    return total


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def end(process, how=signal.SIGTERM):
    process.send_signal(how)
    process.wait(timeout=30)
