"""What the tests of the agent server share: a stand-in for the model, agents in front of it, and clients from npm that others wrote."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

from conftest import BIN, ROOT, wait_until

HERE = pathlib.Path(__file__).resolve().parent / "agent"
NPM = ROOT / "build/npm"


class Served:
    """One `reeve agent serve` process."""

    def __init__(self, directory, toml, environment):
        self.directory = pathlib.Path(directory)
        self.log = self.directory / "agent.log"
        (self.directory / "agent.toml").write_text(toml)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([BIN, "agent", "serve", "--port", "0", "--agent", self.directory / "agent.toml"], stderr=log, stdout=log,
                                            stdin=subprocess.DEVNULL, cwd=self.directory, env={**os.environ, **environment})
        found = wait_until(lambda: re.search(r"url=http://localhost:(\d+)", self.log.read_text()) or self.process.poll() is not None, what="the agent listens")
        assert found is not True, self.log.read_text()
        self.port = int(found[1])
        self.url = f"http://localhost:{self.port}"

    def connect(self, method, path, body=None, headers=None, timeout=20):
        """A connection with the answer's head read; the body is the caller's."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        text = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
        return connection, connection.getresponse()

    def raw(self, path, body):
        """A socket with a POST sent and nothing read."""
        text = json.dumps(body).encode()
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        peer.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        return peer

    def request(self, method, path, body=None, headers=None):
        """(status, body as JSON where it is JSON, headers)"""
        connection, answer = self.connect(method, path, body, headers)
        with contextlib.closing(connection):
            content = answer.read()
            is_json = "json" in (answer.getheader("Content-Type") or "") and "ndjson" not in answer.getheader("Content-Type")
            return answer.status, json.loads(content) if is_json and content else content.decode(), answer.headers

    def get(self, path):
        status, body, _ = self.request("GET", path)
        assert status == 200, (path, status, body)
        return body

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)[:2]

    def events(self, path, body, headers=None):
        """All server-sent events of an answer as (name or None, data)."""
        status, text, _ = self.request("POST", path, body, headers)
        assert status == 200, (status, text)
        found = []
        for block in text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.split("\n") if line)
            if lines:
                data = lines["data"]
                found.append((lines.get("event"), data if data == "[DONE]" else json.loads(data)))
        return found

    def rpc(self, method, params, ident=1, headers=None):
        status, body = self.post("/a2a", {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}, headers)
        assert status == 200 and body["jsonrpc"] == "2.0" and body["id"] == ident, (status, body)
        return body

    def in_flight(self):
        return self.get("/status")["in_flight"]

    def memory_kib(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


class World:
    def __init__(self, directory):
        self.directory, self.served, self.count = pathlib.Path(directory), [], 0
        self.model = subprocess.Popen([sys.executable, HERE / "model_stand_in.py"], stdout=subprocess.PIPE, text=True)
        self.model_port = int(self.model.stdout.readline())
        self.model_url = f"http://127.0.0.1:{self.model_port}"

    def toml(self, provider="ollama", llm="", more="", name="Desk"):
        base = f"http://127.0.0.1:{self.model_port}" + ("/v1" if provider == "openai" else "")
        return (f'[agent]\nname = "{name}"\nversion = "2.1.0"\ndescription = "answers"\ncapabilities = ["answers", "echo"]\n'
                f'[llm]\nprovider = "{provider}"\nmodel = "stand-in"\nbase_url = "{base}"\n{llm}\n{more}\n')

    def serve(self, toml=None, environment=None, **more):
        self.count += 1
        directory = self.directory / f"agent{self.count}"
        directory.mkdir()
        agent = Served(directory, toml or self.toml(**more), environment or {})
        self.served.append(agent)
        return agent

    def state(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.model_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/stand-in")
            return json.loads(connection.getresponse().read())

    def client(self, script, *args, timeout=60):
        """Runs a script of tests/e2e/agent with the packages from npm; gives what it printed as JSON."""
        if not (NPM / ".installed").exists():
            subprocess.run([ROOT / "tests/npm/install"], check=True, timeout=300)
        done = subprocess.run(["node", HERE / script, NPM, *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{script}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def close(self):
        codes = [agent.stop() for agent in self.served]
        self.model.terminate()
        self.model.wait()
        assert all(code == 0 for code in codes), [agent.log.read_text()[-3000:] for agent in self.served if agent.process.returncode]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()
