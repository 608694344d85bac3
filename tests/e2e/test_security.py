"""Who is trusted: agents on the sockets of the server, the agents directory, the Tab key, what is printed, what a viewer sees."""
import contextlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import pwd
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading

import pytest
from conftest import BIN, wait_until

ASK = """
import http.client, json, socket, sys
class C(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
c = C("localhost")
c.request("POST", "/api/tokens", json.dumps({"name": "evil", "role": "admin"}), {"Content-Type": "application/json"})
a = c.getresponse()
print("answer", a.status, a.read().decode())
"""


def ask_as_daemon(script):
    """The same from a process that has left its parents: it is inherited by the shim."""
    return f"import os, subprocess, sys\nif os.fork():\n    os._exit(0)\nos.setsid()\nif os.fork():\n    os._exit(0)\nexec({script!r})\nsys.stdout.flush()"


def test_agents_have_no_role_on_the_socket(reeve):
    """Whatever it starts, however far from its parents; a command beside an agent is no more. Who is not below a shim of ours is as before."""
    (reeve.directory / "ask.py").write_text(ASK)
    (reeve.directory / "daemon.py").write_text(ask_as_daemon(ASK))
    sock = reeve.data / "control.sock"
    job = f"""
job: {{name: climb}}
agents:
  - {{id: a, command: [sh, -c, "{sys.executable} {reeve.directory}/ask.py {sock}; exec sleep 1000"]}}
  - {{id: d, command: [sh, -c, "{sys.executable} {reeve.directory}/daemon.py {sock}; exec sleep 1000"]}}
topology: {{type: dynamic}}
"""
    reeve.run("up", "-d", reeve.job(job))
    for agent in "ad":
        said = wait_until(lambda: "answer" in (text := reeve.run("logs", "climb", agent).stdout) and text, what=f"{agent} has asked")
        assert "answer 403" in said and "give it a token" in said, said
    beside = reeve.run("exec", "climb/a", "--", sys.executable, reeve.directory / "ask.py", sock).stdout
    assert "answer 403" in beside, beside
    by_cli = reeve.run("exec", "climb/a", "--", BIN, "--data-dir", reeve.data, "token", "create", "evil", "--role", "admin", code=13)
    assert "REEVE_TOKEN" in by_cli.stderr + by_cli.stdout, by_cli
    assert "evil" not in reeve.run("token", "list").stdout
    assert b'reeve_auth_failures_total{reason="agent"} 4' in reeve.get("/metrics")
    # with a token an agent has the token's role, on the same socket
    token = reeve.run("token", "create", "mine", "--role", "viewer").stdout.strip()
    script = f"REEVE_TOKEN={token} {shlex.quote(str(BIN))} --data-dir {reeve.data}"
    assert "climb" in reeve.run("exec", "climb/a", "--", "sh", "-c", f"{script} ps").stdout
    assert "token 'mine' has 'viewer'" in reeve.run("exec", "climb/a", "--", "sh", "-c", f"{script} token list 2>&1", code=13).stdout
    if reeve.node == "process":  # nor is an agent taken for a node, which would be given secrets
        dial = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('read', s.recv(1))"
        assert "read b''" in reeve.run("exec", "climb/a", "--", sys.executable, "-c", dial, reeve.directory / "node.sock").stdout


def test_a_server_inside_an_agent_of_another(bare, tmp_path):
    """Only shims of a server's own count: one that somebody runs below an agent of another Reeve serves its user."""
    bare.start()
    inner = tmp_path / "inner"
    job = f"""
job: {{name: outer}}
agents: [{{id: a, command: [{BIN}, --data-dir, {inner}, server, --listen, none]}}]
topology: {{type: dynamic}}
"""
    bare.run("up", "-d", bare.job(job))
    words = [BIN, "--data-dir", inner, "token", "create", "t", "--role", "viewer"]
    wait_until(lambda: (inner / "control.sock").exists(), what="the inner server serves")
    assert bare.run("exec", "outer/a", "--", *words).stdout.startswith("reeve_")
    assert bare.run("exec", "outer/a", "--", BIN, "--data-dir", bare.data, "ps", code=13)


def test_agents_user(bare):
    """--agents-user: agents run as somebody who cannot read the server's files, and still have theirs. Only root can do it."""
    user = pwd.getpwnam("nobody")
    bare.server_args = ["--agents-user", user.pw_name]
    if os.geteuid() != 0:
        assert "only root" in bare.run("server", "--agents-user", user.pw_name, "--listen", "none", code=13).stderr
        return
    assert "no such user" in bare.run("server", "--agents-user", "no-such-user", "--listen", "none", code=4).stderr
    assert "without privileges" in bare.run("server", "--agents-user", "root", "--listen", "none", code=3).stderr
    bare.directory.chmod(0o711)
    bare.start()
    subprocess.run([BIN, "--data-dir", bare.data, "secret", "set", "k"], input="value", env=bare.environment, text=True, check=True, timeout=30, capture_output=True)
    script = bare.directory / "look.py"
    script.write_text(f"""
import os, pathlib, socket, time
print("uid", os.getuid(), "groups", os.getgroups())
print("peers", pathlib.Path(os.environ["AGENT_PEERS_FILE"]).read_text())
for path in ({str(bare.data)!r} + "/secrets.key", {str(bare.data)!r} + "/reeve.db", os.path.dirname(os.environ["AGENT_PEERS_FILE"]) + "/instance.json"):
    try:
        open(path, "rb").close()
        print("READ", path)
    except OSError as error:
        print(error.strerror, path)
for path in ({str(bare.data)!r}, os.path.dirname(os.environ["AGENT_PEERS_FILE"])):
    try:
        print("LISTED", os.listdir(path))
    except OSError as error:
        print(error.strerror, path)
try:
    socket.socket(socket.AF_UNIX).connect({str(bare.data / "control.sock")!r})
    print("CONNECTED")
except OSError as error:
    print(error.strerror, "socket")
print("done", flush=True)
time.sleep(1000)
""")
    script.chmod(0o644)
    bare.run("up", "-d", bare.job(f"job: {{name: low}}\nagents: [{{id: a, command: [/usr/bin/python3, {script}]}}]\ntopology: {{type: dynamic}}\n"))
    said = wait_until(lambda: "done" in (text := bare.run("logs", "low").stdout) and text, what="the agent has looked")
    assert f"uid {user.pw_uid}" in said and "peers []" in said, said
    assert not re.search("READ|LISTED|CONNECTED", said) and said.count("Permission denied") == 6, said
    assert str(user.pw_uid) in bare.run("exec", "low/a", "--", "id", "-u").stdout
    assert "nobody" in bare.run("doctor", code=None).stdout and bare.get("/api/server")["agents_user"] == "nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs agents as somebody else")
def test_agents_user_has_its_own_home(bare):
    """As with `user`: HOME and names of who they run as, not of who brought them up; what the job sets stays."""
    user = pwd.getpwnam("nobody")
    bare.server_args = ["--agents-user", user.pw_name]
    bare.directory.chmod(0o711)
    bare.start()
    bare.run("up", "-d", bare.job("""
job: {name: env}
agents:
  - {id: own, command: [sleep, "1000"]}
  - {id: set, command: [sleep, "1000"], environment: {HOME: /from/job}}
  - {id: root, command: [sleep, "1000"], user: root}
"""), HOME="/of/the/caller", USER="caller", LOGNAME="caller", SHELL="/bin/of-caller", TZ="UTC")

    def environment(agent):
        pid = bare.instances("env")[agent]["pid"]
        return dict(pair.split("=", 1) for pair in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if pair)

    own, job, root = environment("own"), environment("set"), environment("root")
    assert (own["HOME"], own["USER"], own["LOGNAME"], own["SHELL"]) == (user.pw_dir, "nobody", "nobody", user.pw_shell)
    assert own["TZ"] == "UTC" and own["PATH"]
    assert (job["HOME"], job["USER"]) == ("/from/job", "nobody")
    assert (root["HOME"], root["USER"]) == (pwd.getpwnam("root").pw_dir, "root")
    assert bare.run("exec", "env/own", "--", "sh", "-c", "echo $HOME $USER").stdout.split() == [user.pw_dir, "nobody"]
    assert bare.run("exec", "env/set", "--", "sh", "-c", "echo $HOME $USER").stdout.split() == ["/from/job", "nobody"]


SERVED = '[agent]\nname = "{name}"\n[llm]\nprovider = "command"\ncommand = ["cat"]\n[deployment]\nauto_start = true\n'


def found(reeve):
    return {agent["name"]: agent for agent in reeve.get("/agents")["agents"]}


def test_agents_directory_is_believed_as_far_as_nobody_else_writes_it(bare):
    """A file that others could have written is invalid, says how to mend it, starts nothing, and is taken once it was mended."""
    place = bare.directory / "agents"
    for name in ("mine", "file", "entry", "$(id>PWNED)", "theirs", "links"):
        (place / name).mkdir(parents=True)
    for name in ("mine", "file", "entry", "theirs"):
        (place / name / "agent.toml").write_text(SERVED.format(name=name))
    (place / "links/open").mkdir()
    (place / "links/open/agent.toml").write_text(SERVED.format(name="links"))
    (place / "links/agent.toml").symlink_to("open/agent.toml")
    (place / "links/open").chmod(0o777)
    (place / "$(id>PWNED)/agent.toml").write_text("not TOML")
    (place / "file/agent.toml").chmod(0o666)
    (place / "entry").chmod(0o1777)
    stranger = os.geteuid() == 0
    if stranger:
        os.chown(place / "theirs/agent.toml", 65534, 65534)
    bare.server_args = ["--agents-dir", place]
    bare.start()
    wait_until(lambda: found(bare)["mine"]["status"] == "running", what="what is nobody else's is started")
    agents = found(bare)
    for name in ("file", "entry", "links"):
        assert agents[name]["status"] == "invalid" and "chmod go-w" in agents[name]["error_message"], agents[name]
    assert not stranger or (agents["theirs"]["status"] == "invalid" and "chown" in agents["theirs"]["error_message"])
    assert "x_id_PWNED_" in agents and not any(re.search(r"[^A-Za-z0-9._-]", name) for name in agents)
    assert "file" not in str(bare.get("/api/deployments"))
    subprocess.run(["sh", "-c", re.search(r"run: (.*)", agents["file"]["error_message"])[1]], check=True)
    wait_until(lambda: found(bare)["file"]["status"] == "running", what="a file that was mended is believed")
    place.chmod(0o777)
    wait_until(lambda: found(bare)["mine"]["status"] != "discovered" and "chmod go-w" in (found(bare)["mine"]["error_message"] or ""), what="the directory as a whole")
    place.chmod(0o755)
    wait_until(lambda: not found(bare)["mine"]["error_message"], what="the directory was mended")
    body = {"source_name": f"{place}/mine/agent.toml", "source": "", "job": {"name": "fake", "agents": [{"id": "a", "command": ["sleep", "1000"]}], "topology": {"type": "dynamic"}}}
    status, problem = bare.request("POST", "/api/deployments", body)
    assert status == 422 or status == 400, (status, problem)
    assert "agent file" in problem["detail"]


HOSTILE = ["$(touch PWNED)", "`touch PWNED`", "a;touch PWNED", "x\ny", "\x1b]0;PWNED\x07", "-rf", "\u202egood", "good"]


@contextlib.contextmanager
def serving(answers):
    """A server of HTTP on loopback that answers GET by @answers: path -> (status, JSON, or bytes as they are). Yields its URL and the requests it had."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.command, self.path, dict(self.headers), self.rfile.read(int(self.headers.get("Content-Length") or 0))))
            status, body = answers.get(self.path.split("?")[0], (404, {}))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def bash_offers(reeve, line, cwd, **environment):
    """What bash would offer for @line, by the script that the program writes."""
    words = line.split(" ")
    script = f"""source <({BIN} completion bash)
compopt() {{ :; }}
COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_WORDS=({BIN} {' '.join(map(shlex.quote, words[1:]))}) COMP_CWORD={len(words) - 1}
_reeve
printf '%s\\0' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], env={**reeve.environment, **environment}, cwd=cwd, capture_output=True, text=True, timeout=30, check=True)
    assert not done.stderr, done.stderr
    return [word for word in done.stdout.split("\0") if word]


def test_tab_runs_nothing(bare, tmp_path):
    """Names come from a server that may be anybody's, and from directories that may be called anything; files are offered by bash as they are."""
    (tmp_path / "$(touch PWNED)").mkdir()
    (tmp_path / "job file.yaml").write_text("")
    named = [{"name": name} for name in HOSTILE]
    answers = {"/api/deployments": (200, {"deployments": named}), "/agents": (200, {"agents": named}),
               "/api/deployments/good": (200, {"instances": [{"agent": name} for name in HOSTILE + ["web"]]})}
    with serving(answers) as (url, _):
        here = {"REEVE_SERVER": url}
        assert bash_offers(bare, "reeve status ", tmp_path, **here) == ["good"]
        assert bash_offers(bare, "reeve deploy ", tmp_path, **here) == ["good"]
        assert bash_offers(bare, "reeve logs good ", tmp_path, **here) == ["good", "web"]
        assert bash_offers(bare, "reeve exec good/w", tmp_path, **here) == ["good/web"]
        assert bash_offers(bare, "reeve scale good w", tmp_path, **here) == ["web="]
        assert bash_offers(bare, "reeve lo", tmp_path, **here) == ["logs"]
        assert bash_offers(bare, "reeve logs --fo", tmp_path, **here) == ["--follow"]
        assert bash_offers(bare, "reeve -o yaml server st", tmp_path, **here) == ["start", "status", "stop"]
        assert bash_offers(bare, "reeve ps -o y", tmp_path, **here) == ["yaml"]
        assert sorted(bash_offers(bare, "reeve validate ", tmp_path, **here)) == ["$(touch PWNED)", "job file.yaml"]
        assert bash_offers(bare, "reeve server --agents-dir ", tmp_path, **here) == ["$(touch PWNED)"]
        assert bash_offers(bare, "reeve logs $(touch PWNED)", tmp_path, **here) == []
    assert not list(tmp_path.rglob("PWNED"))


# Sets the clipboard and the title, clears, asks the terminal to type, hides, goes back, turns the direction round, and all that as C1.
EVIL = "\x1b]52;c;aGk=\x07\x1b]0;PWNED\x07\x1b[2J\x1b[6n\x1b[8m\r\x08\u009b2J\u202eevil\u2066\u200f\x7f"
STEERS = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]|\x1b(?!\\[(0|1|31|32|33|36)m)")


def on_terminal(reeve, *args, code=0, **environment):
    """What a terminal is sent by the command, and its errors too."""
    main, other = os.openpty()
    env = {**reeve.environment, "TERM": "xterm", **environment}
    process = subprocess.Popen([BIN, "--data-dir", reeve.data, *map(str, args)], env=env, stdin=subprocess.DEVNULL, stdout=other, stderr=other)
    os.close(other)
    text = b""
    with contextlib.suppress(OSError):  # the end of a terminal is EIO
        while piece := os.read(main, 65536):
            text += piece
    os.close(main)
    ended = process.wait(timeout=30)
    assert code is None or ended == code, (args, ended, text)
    return text.decode().replace("\r\n", "\n")


def assert_harmless(text, what):
    found = STEERS.search(text)
    assert not found, (what, text[max(found.start() - 60, 0):found.start() + 60])


def test_nothing_printed_steers_the_terminal(bare):
    """Whatever an agent or a server says, by every verb that shows it, to a terminal and to a pipe."""
    bare.start()
    (bare.directory / "evil.txt").write_text(EVIL + "\n", newline="")
    job = f"job: {{name: e}}\nagents: [{{id: a, command: [sh, -c, 'cat {bare.directory}/evil.txt; exit 3'], restart: {{policy: never}}, config: {{port: auto}}, health: {{tcp: true}}}}]\ntopology: {{type: dynamic}}\n"
    bare.run("up", "-d", bare.job(job), code=None)
    wait_until(lambda: "evil" in str(bare.get("/api/deployments/e/why")), what="what it said is known")
    assert "evil" in bare.run("why", "e").stdout, bare.run("why", "e").stdout
    assert "evil" in json.dumps(json.loads(bare.run("status", "e", "-o", "json", code=None).stdout))
    for words in (["why", "e"], ["status", "e"], ["ps"], ["ps", "-o", "wide"], ["ps", "-o", "json"], ["status", "e", "-o", "yaml"], ["history", "e"], ["up", "-d", bare.directory / "job.yaml"]):
        shown = on_terminal(bare, *words, code=None)
        assert_harmless(shown, words)
        piped = bare.run(*words, code=None)
        assert_harmless(piped.stdout + piped.stderr, words)
    assert "\u202e" in json.loads(bare.run("logs", "e", "-o", "json").stdout.splitlines()[0])["text"]  # data stays what it is
    shown = on_terminal(bare, "logs", "e")
    assert_harmless(shown.replace("\x1b[8m", ""), "logs")  # colours of an agent pass, that is all
    problem = {"type": "urn:reeve:problem:conflict", "title": EVIL, "status": 409, "code": "conflict", "detail": EVIL, "problems": [EVIL]}
    answers = {"/api/deployments": (409, problem), "/agents": (409, problem), "/api/nodes": (200, {"nodes": [{"id": EVIL, "cgroups": EVIL, "status": EVIL}]}),
               "/api/server": (200, {"version": EVIL, "data_dir": EVIL, "store": EVIL}), "/healthz": (200, {"store": EVIL, "version": EVIL})}
    with serving(answers) as (url, _):
        for words in (["ps"], ["agents"], ["doctor"], ["version"], ["server", "status"], ["status", "x"], ["prompt", "x", "hello"]):
            assert_harmless(on_terminal(bare, *words, code=None, REEVE_SERVER=url), words)
            piped = bare.run(*words, code=None, REEVE_SERVER=url)
            assert_harmless(piped.stdout + piped.stderr, words)


def test_an_answer_steers_no_terminal(bare):
    """The text of an answer, the names of tools that it calls, and what a refusal says."""
    bare.start()
    events = f"event: tool\ndata: {json.dumps({'phase': 'begins', 'name': EVIL})}\n\nevent: delta\ndata: {json.dumps({'text': EVIL})}\n\n"
    refused = f"event: error\ndata: {json.dumps({'status': 500, 'title': EVIL, 'detail': EVIL})}\n\n"
    (bare.directory / "door.py").write_text(f"""
import http.server, os
class Door(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "refuse" in body:
            status, type, data = 500, "text/plain", {EVIL!r}
        else:
            status, type, data = 200, "text/event-stream", {events!r} + ({refused!r} if "fail" in body else 'event: done\\ndata: {{}}\\n\\n')
        self.send_response(status)
        self.send_header("Content-Type", type)
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["AGENT_PORT"])), Door).serve_forever()
""")
    bare.run("up", "-d", bare.job(f"job: {{name: d}}\nagents: [{{id: a, command: [{sys.executable}, {bare.directory}/door.py], config: {{port: auto}}, health: {{tcp: true}}}}]\ntopology: {{type: dynamic}}\n"))
    for question, code in (("hello", 0), ("fail", None), ("refuse", None)):
        shown = on_terminal(bare, "prompt", "d/a", question, code=code)
        assert "evil" in shown
        assert_harmless(shown, question)


def test_a_viewer_reads_no_credentials_in_a_diff(bare):
    bare.start(REEVE_LISTEN="127.0.0.1:0")
    job = """
job: {{name: data}}
agents:
  - {{id: a, command: [sh, -c, "exec sleep 100{n}", "--dsn=mysql://root:argpass{n}@db"], environment: {{DATABASE_URL: "postgres://u:hunter{n}@db/x", MODE: "mode{n}"}}, user: {user}}}
topology: {{type: dynamic}}
"""
    me = pwd.getpwuid(os.geteuid()).pw_name
    for n in (1, 2):
        bare.run("up", "-d", bare.job(job.format(n=n, user=me)))
    url = "http://" + bare.get("/api/server")["listen"]
    seen = {}
    for role in ("viewer", "operator"):
        token = bare.run("token", "create", role, "--role", role).stdout.strip()
        seen[role] = bare.run("--server", url, "diff", "data", REEVE_TOKEN=token).stdout
    for text in seen.values():
        assert "environment.DATABASE_URL" in text and not re.search("hunter|argpass", text), text
    assert "(changed) -> (changed)" in seen["viewer"] and "mode" not in seen["viewer"] and "1002" not in seen["viewer"]
    assert "mode1 -> mode2" in seen["operator"] and "postgres://***@db/x" in seen["operator"] and "1002" in seen["operator"]


def test_sockets_replace_sockets_only(bare, tmp_path):
    """--socket and --node-socket: a file is left alone, a socket that was left behind is replaced, and one whose server is stopped is in use."""
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for option in ("--socket", "--node-socket"):
        refused = bare.run("server", "--listen", "none", option, notes, code=5)
        assert "no socket" in refused.stderr and notes.read_text() == "mine", refused.stderr
    left = tmp_path / "left.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as full:
        full.bind(str(left))
        full.listen(0)
        waiting = []
        with contextlib.suppress(BlockingIOError):
            while True:  # until its queue is full: whoever came now would wait
                one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                waiting.append(one)
                one.connect(str(left))
        for option in ("--socket", "--node-socket"):
            assert "another process" in bare.run("server", "--listen", "none", option, left, code=5, timeout=20).stderr
        for one in waiting:
            one.close()
    process = subprocess.Popen([BIN, "--data-dir", bare.data, "--socket", left, "server"], env=bare.environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: bare.run("--socket", left, "ps", code=None).returncode == 0, what="the socket that was left behind is used again")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def test_webhooks_are_signed_and_guarded(bare):
    """Who has the secret can tell ours from others'; a URL that leads to link-local addresses is not called; a secret in use stays."""
    seen = []
    heard = threading.Event()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.headers["Reeve-Webhook-Signature"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            heard.set()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        bare.start()
        job = bare.job(f"""
job: {{name: told}}
agents: [{{id: a, command: [sleep, '1000'], restart: {{policy: never}}}}]
topology: {{type: dynamic}}
notify:
  - {{url: "http://127.0.0.1:{server.server_port}/x", secret: hook-key}}
  - {{url: "http://169.254.169.254/latest/meta-data"}}
""")
        assert "no secret 'hook-key'" in bare.run("up", "-d", job, code=3).stderr
        subprocess.run([BIN, "--data-dir", bare.data, "secret", "set", "hook-key"], input="signing", env=bare.environment, text=True, check=True, timeout=30, capture_output=True)
        bare.run("up", "-d", job)
        assert "'told'" in bare.run("secret", "rm", "hook-key", code=5).stderr
        os.kill(bare.instances("told")["a"]["pid"], signal.SIGKILL)
        assert heard.wait(20)
        signature, body = seen[0]
        seconds, given = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", signature).groups()
        assert given == hmac.new(b"signing", seconds.encode() + b"." + body, "sha256").hexdigest()
        wait_until(lambda: "must not be called" in (bare.directory / "server.out").read_text(), what="the other was not called")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
