"""A private Reeve for each test: real binaries, a directory of its own, nothing left behind."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("REEVE_BIN", ROOT / "build/reeve")).resolve()


# Whoever started us in the background may have had Ctrl-C and a lost terminal ignored; what we start shall not inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config):
    config.addinivalue_line("markers", "asan: part of the run under sanitizers")


def wait_until(predicate, seconds=60, what="the awaited state"):
    """Polls until @predicate is true and returns its value; missing the deadline fails the test."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def without_wait(text):
    """@text of a job file with min_healthy 0, on lines that are there already or behind the last one."""
    if "min_healthy" in text or not re.search(r"^agents:", text, re.MULTILINE):
        return text
    for where, more in ((r"^deployment: \{.*health_check: \{", "min_healthy: 0, "), (r"^deployment: \{", "health_check: {min_healthy: 0}, ")):
        if found := re.search(where, text, re.MULTILINE):
            return text[:found.end()] + more + text[found.end():]
    return text.rstrip("\n") + "\ndeployment: {health_check: {min_healthy: 0}}\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


class Reeve:
    """@node: "embedded", or "process" for a node of its own over a unix socket."""

    def __init__(self, directory, node):
        self.directory, self.node = pathlib.Path(directory), node
        self.data = self.directory / "data"
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.directory), "XDG_STATE_HOME": str(self.directory), "NO_COLOR": "1", "REEVE_LISTEN": "none"}
        self.server_process = self.node_process = None
        self.server_args = []

    def run(self, *args, code=0, timeout=120, **environment):
        done = subprocess.run([BIN, "--data-dir", self.data, *map(str, args)], env={**self.environment, **environment}, capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL, check=False)
        assert code is None or done.returncode == code, f"reeve {args}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, **environment):
        env = {**self.environment, **environment}
        log = open(self.directory / "server.out", "ab")
        more = ["--node-socket", self.directory / "node.sock"] if self.node == "process" else []
        self.server_process = subprocess.Popen([BIN, "--data-dir", self.data, "server", *more, *map(str, self.server_args)], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self.answers, what="the server answers")
        if self.node == "process" and not self.node_process:
            self.start_node(**environment)
        wait_until(lambda: any(n["status"] == "online" for n in self.get("/api/nodes")["nodes"]), what="the node is online")
        return self

    def start_node(self, **environment):
        log = open(self.directory / "node.out", "ab")
        self.node_process = subprocess.Popen([BIN, "--data-dir", self.directory / "nodedata", "node", "--server", self.directory / "node.sock"],
                                             env={**self.environment, **environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/healthz")[0] == 200
        return False

    def request(self, method, path, body=None):
        connection = UnixConnection(str(self.data / "control.sock"))
        try:
            text = json.dumps(body) if body is not None else None
            connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if "json" in (answer.getheader("Content-Type") or "") else content
        finally:
            connection.close()

    def get(self, path):
        status, body = self.request("GET", path)
        assert status == 200, (path, status, body)
        return body

    def deployment(self, name):
        return self.get(f"/api/deployments/{name}")

    def instances(self, name):
        """By agent, or AGENT/REPLICA; without what is kept for its logs alone."""
        return {i["agent"] if i["replica"] == 0 else f"{i['agent']}/{i['replica']}": i for i in self.deployment(name)["instances"] if not i.get("left_over")}

    def job(self, text, name="job.yaml"):
        """Writes a job file. Unless it says something of min_healthy itself, nobody waits for agents to have been up."""
        path = self.directory / name
        path.write_text(without_wait(text))
        return path

    def kill_server(self, how=signal.SIGKILL):
        self.server_process.send_signal(how)
        self.server_process.wait(timeout=30)

    def kill_node(self, how=signal.SIGKILL):
        self.node_process.send_signal(how)
        self.node_process.wait(timeout=30)
        self.node_process = None

    def shims(self):
        """pid of each shim of this directory, by the directory that it has open."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if entry.name.isdigit() and (entry / "comm").read_text().strip().startswith("reeve-shim"):
                    where = os.readlink(entry / "fd/4")
                    if where.startswith(str(self.directory)):
                        found[os.path.basename(where)] = int(entry.name)
        return found

    def close(self):
        if self.server_process and self.server_process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # a node that is gone stops nothing; the rest is ended below
                self.run("server", "stop", "--down", code=None, timeout=20)
        for process in (self.server_process, self.node_process):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for pid in self.shims().values():
            with contextlib.suppress(OSError):
                for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    os.kill(int(child), signal.SIGKILL)
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def not_for_ever():
    """A test that hangs fails, and so does its cleaning up if that hangs too."""
    def late(*_):
        raise TimeoutError("a test may take six minutes")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 360, 20)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def started(node):
    """One that runs, with a node of the kind @node; see Reeve."""
    directory = tempfile.mkdtemp(prefix="reeve-e2e-")
    one = Reeve(directory, node)
    try:
        yield one.start()
    finally:
        one.close()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["embedded", "process"])
def reeve(request):
    with started(request.param) as one:
        yield one


@pytest.fixture
def bare():
    """Not started, embedded node."""
    directory = tempfile.mkdtemp(prefix="reeve-e2e-")
    one = Reeve(directory, "embedded")
    try:
        yield one
    finally:
        one.run("server", "stop", "--down", code=None)
        one.close()
        shutil.rmtree(directory, ignore_errors=True)


def own_examples(directory):
    """A copy of examples/ in @directory on ports that are free: what somebody left running from the real ones is in nobody's way."""
    shutil.copytree(ROOT / "examples", directory / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    files = sorted((directory / "examples").rglob("*.yaml"))
    numbers = sorted({number for file in files for number in re.findall(r"\b9\d{3}\b", file.read_text())})
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in numbers]
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        free = {number: str(holder.getsockname()[1]) for number, holder in zip(numbers, holders)}
    for file in files:
        file.write_text(re.sub(r"\b9\d{3}\b", lambda match: free[match[0]], file.read_text()))
    return directory / "examples"


def npm_tool(name):
    """Path of a program of tests/npm, which ./dev test installs."""
    path = ROOT / "build/npm/node_modules/.bin" / name
    if not path.exists():
        pytest.fail(f"{path} is missing: run tests/npm/install, as ./dev test does")
    return path


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
