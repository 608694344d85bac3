"""reeve prompt and reeve chat with an agent whose brain is a model server: answers as they come, sessions, Ctrl-C, and every bad end."""
import contextlib
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import urllib.request

import pytest
from conftest import BIN, wait_until

STAND_IN = pathlib.Path(__file__).parent / "agent/model_stand_in.py"
FOREIGN = """
import http.server, json, os
class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"status": "healthy"})
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/query" and "query" in said:
            self.answer(200, {"response": "foreign: " + said["query"], "session_id": said.get("session_id")})
        else:
            self.answer(404, {"detail": "Not Found"})
    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["AGENT_PORT"])), Agent).serve_forever()
"""


class Model:
    """The stand-in of a model server."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, STAND_IN], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def state(self):
        with urllib.request.urlopen(self.url + "/stand-in", timeout=10) as answer:
            return json.load(answer)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def model():
    stand_in = Model()
    yield stand_in
    stand_in.close()


def up(reeve, model, provider="ollama", more="", environment=""):
    """One agent 'bot' in the deployment 'talk'."""
    (reeve.directory / "bot.toml").write_text(f'[agent]\nname = "Bot"\n[llm]\nprovider = "{provider}"\nmodel = "tiny"\nbase_url = "{model.url}"\n{more}')
    reeve.run("up", "-d", reeve.job("job: {name: talk}\nagents:\n  - id: bot\n    reeve: {agent: bot.toml}\n" + environment))


@contextlib.contextmanager
def running(reeve, *args):
    process = subprocess.Popen([BIN, "--data-dir", reeve.data, *args], env=reeve.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


@pytest.mark.asan
@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_answer_comes_as_it_is_made(bare, model, provider):
    up(bare, model, provider, "temperature = 0.5\nmax_tokens = 9\n")
    with running(bare, "prompt", "talk", "@slow", "0.3", "10") as prompt:
        assert prompt.stdout.read(2) == "w0"
        assert prompt.poll() is None and model.state()["open"] == 1, "the first word came before the last was made"
        assert prompt.stdout.read() == " w1 w2 w3 w4 w5 w6 w7 w8 w9 \n"
        assert prompt.wait(timeout=20) == 0
    assert bare.run("prompt", "talk/bot", "hello").stdout == "echo: hello\n"
    said = json.loads(bare.run("prompt", "-o", "json", "talk", "@options").stdout)
    assert json.loads(said["response"])["temperature"] == 0.5 and said["usage"]["completion_tokens"] > 0, said


@pytest.mark.asan
def test_bad_ends(bare, model):
    """What was said before is printed; the message names the model server; the exit code tells what kind of end it was."""
    up(bare, model, more="request_timeout = 3\n")
    for text, printed, message in (("@error", "one two three \n", "it broke off: the model fell over"), ("@cut", "one two three \n", "in the middle of its answer"),
                                   ("@garbage", "one two \n", "sent invalid JSON"), ("@line", "one \n", "a line of more than 1048576 bytes"),
                                   ("@refuse 400", "", "status 400: refused as asked")):
        done = bare.run("prompt", "talk", text, code=10)
        assert done.stdout == printed and message in done.stderr and model.url in done.stderr, (text, done)
    assert bare.run("prompt", "talk", "@recover").stdout == "echo: @recover\n"
    assert "no answer within 3000 ms" in bare.run("prompt", "talk", "@silence", code=9).stderr
    wait_until(lambda: model.state()["open"] == 0, what="the model server was left")
    model.close()
    assert f"the brain at '{model.url}/api/chat': unavailable: connection refused" in bare.run("prompt", "talk", "hello", code=10).stderr


@pytest.mark.asan
def test_chat_remembers(bare, model):
    up(bare, model)
    with running(bare, "chat", "talk") as chat:
        out, complaint = chat.communicate("one\n\n@history\n@error\n@history\n", timeout=30)
        assert out == "echo: one\nuser assistant user\none two three \nuser assistant user assistant user\n", (out, complaint)
        assert "the model fell over" in complaint and chat.returncode == 0
    with running(bare, "chat", "talk") as chat:
        assert chat.communicate("@history\n/quit\nnever sent\n", timeout=30)[0] == "user\n", "another talk is another session"


@pytest.mark.asan
def test_ctrl_c_stops_the_answer_only(bare, model):
    up(bare, model)
    with running(bare, "chat", "talk") as chat:
        chat.stdin.write("@slow 0.1 1000\n")
        chat.stdin.flush()
        assert chat.stdout.read(2) == "w0"
        chat.send_signal(signal.SIGINT)
        wait_until(lambda: model.state()["open"] == 0, what="the model server was left")
        chat.stdin.write("@history\n")
        chat.stdin.close()
        out, complaint = chat.stdout.read(), chat.stderr.read()
        assert out.endswith("\nuser\n") and "the answer was stopped" in complaint and chat.wait(timeout=20) == 0, (out, complaint)


def test_key_of_the_agent(bare, model):
    up(bare, model, more='[server]\napi_key_env = "BOT_KEY"\n', environment='    environment: {BOT_KEY: key-of-the-talking-bot}\n')
    refused = bare.run("prompt", "talk", "hello", code=13)
    assert "a key is required" in refused.stderr and "set AGENT_API_KEY" in refused.stderr, refused
    assert bare.run("prompt", "talk", "hello", AGENT_API_KEY="key-of-the-talking-bot").stdout == "echo: hello\n"


def test_terminal(bare, model):
    """In a terminal there is a prompt, and what an agent says cannot steer the terminal."""
    up(bare, model)
    master, slave = pty.openpty()
    chat = subprocess.Popen([BIN, "--data-dir", bare.data, "chat", "talk"], env=bare.environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""

    def shows(text):
        nonlocal shown
        while text not in shown:
            assert select.select([master], [], [], 20)[0], shown
            shown += os.read(master, 4096)
        shown = shown.split(text, 1)[1]
    shows(b"> ")
    os.write(master, "\x1b[31mred\x9b1m caf\u00e9\n".encode())
    shows(b"\r\n")  # the terminal's own echo
    shows("echo: [31mred1m caf\u00e9\r\n> ".encode())
    os.write(master, b"\x04")
    assert chat.wait(timeout=20) == 0
    os.close(master)


def test_foreign_agent(bare):
    """An agent that is not ours, does not stream, and knows /query only."""
    (bare.directory / "foreign.py").write_text(FOREIGN)
    bare.run("up", "-d", bare.job(f"job: {{name: talk}}\nagents:\n  - id: other\n    command: [{sys.executable}, foreign.py]\n    config: {{port: auto}}\n"))
    assert bare.run("prompt", "talk", "hello").stdout == "foreign: hello\n"
    with running(bare, "chat", "talk") as chat:
        assert chat.communicate("one\ntwo\n", timeout=20)[0] == "foreign: one\nforeign: two\n"
