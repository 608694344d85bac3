"""reeve shell, through a pseudo-terminal and through a pipe."""
import contextlib
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time

import pytest
from conftest import BIN, alive, wait_until

SERVED = '[agent]\nname = "{0}"\n[llm]\nprovider = "command"\ncommand = ["cat"]\n'


class Terminal:
    """A program on a terminal of its own: what is typed, and what it showed."""

    def __init__(self, reeve, *args):
        self.seen, self.pid = "", 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(reeve.directory)
            os.execve(BIN, [BIN, "--data-dir", reeve.data, *args], {**reeve.environment, "TERM": "vt100", "HOME": str(reeve.directory)})

    def read(self):
        if select.select([self.fd], [], [], 0.05)[0]:
            with contextlib.suppress(OSError):
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
        return re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|[()=>].?)", "", self.seen)

    def until(self, pattern, seconds=15):
        try:
            return wait_until(lambda: re.search(pattern, self.read(), re.DOTALL), seconds)
        except AssertionError:
            raise AssertionError(f"not on the terminal: {pattern}\n{self.read()}") from None

    def type(self, text, pattern=None):
        """Types @text and waits for @pattern in what is shown from then on."""
        self.read()
        self.seen = ""
        os.write(self.fd, text.encode())
        return self.until(pattern) if pattern else None

    def complete(self, text, pattern):
        """Types @text and Tab; the line is then drawn anew as a whole."""
        self.type(text + "\t\x0c", pattern)

    def code(self):
        def ended():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (os.waitstatus_to_exitcode(status),) if pid else None
        (code,) = wait_until(ended, what="the shell ends")
        self.pid = 0
        return code

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def served(bare):
    place = bare.directory / "agents"
    for name in ("LogReader", "LogWriter"):
        (place / name).mkdir(parents=True)
        (place / name / "agent.toml").write_text(SERVED.format(name))
    bare.server_args = ["--agents-dir", place]
    return bare.start()


@pytest.fixture
def shell(served):
    terminal = Terminal(served, "shell")
    terminal.until(r"control\.sock> ")
    yield terminal
    terminal.close()


@pytest.mark.asan
def test_verbs_and_aliases(served, shell):
    shell.type("list deployment\r", r"Managed Agent Instances \(2 total\):.*LogReader +discovered.*> ")
    shell.type("list agents\r", r"LogWriter +discovered.*> ")
    shell.type("deploy LogReader\r", r"Agent LogReader deployed on port \d+.*> ")
    shell.type("status LogReader\r", r"running.*healthy.*> ")
    shell.type("reeve prompt LogReader 'good  day'\r", "good  day\r\n.*> ")
    shell.type("restart LogReader\r", "is restarted.*> ")
    shell.type("undeploy LogReader\r", "Agent LogReader stopped.*> ")
    shell.type("nonsense\r", "unknown verb 'nonsense'.*> ")
    shell.type("deploy 'open\r", "quote is not closed.*> ")
    shell.type("help\r", "Verbs.*> ")
    shell.type("quit\r")
    assert shell.code() == 0


def test_ctrl_c_stops_the_command(served, shell):
    shell.type("monitor\r")
    child = wait_until(lambda: open(f"/proc/{shell.pid}/task/{shell.pid}/children").read().split(), what="the command runs")
    wait_until(lambda: served.get("/metrics").decode().count("reeve_event_streams 1"), what="it follows the events")
    shell.type("\x03", "> ")
    assert not alive(int(child[0])) and alive(shell.pid)
    shell.type("half a line\x03", r"\^C\r\n.*> ")
    shell.type("version\r", r"reeve \d.*> ")
    shell.type("\x04")
    assert shell.code() == 0


def test_completion(served, shell):
    (served.directory / "a job.yaml").write_text("x")
    (served.directory / "folder").mkdir()
    shell.complete("undep", "undeploy ")
    shell.complete("Log", "undeploy Log")
    shell.complete("", "LogReader +LogWriter")
    shell.complete("R", "LogReader ")
    shell.complete("--time", "--timeout ")
    shell.complete("\x15validate a", r"a\\ job\.yaml ")
    shell.complete("\x15server st", "start +status +stop")
    shell.complete("\x15list dep", "list deployment")
    shell.complete("\x15ps -o js", "json ")
    shell.complete("\x15validate fol", "folder/")
    served.run("deploy", "LogReader")
    shell.complete("\x15why L", "LogReader ")
    shell.type("\x15\r", "> ")


def test_history(served, shell):
    shell.type("version\r", r"reeve \d.*> ")
    shell.type(" ps -q\r", "ps -q.*> ")
    shell.type("quit\r")
    assert shell.code() == 0
    path = served.directory / "reeve" / "shell_history"
    assert "version" in path.read_text() and "ps" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Terminal(served, "shell")
    again.until("> ")
    again.type("\x10\x10\r", r"version.*reeve \d.*> ")
    again.close()


def test_the_server_goes_and_comes(served, shell):
    served.kill_server(signal.SIGTERM)
    shell.type("\r", r"\(no server\)> ")
    shell.type("ps\r", r"no server answers.*\(no server\)> ")
    served.start()
    shell.type("\r", r"control\.sock> ")


def test_killed_the_terminal_is_left_in_order(served):
    terminal = Terminal(served, "shell")
    terminal.until("> ")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.code() == -signal.SIGTERM
    terminal.close()


def piped(reeve, text, *args):
    return subprocess.run([BIN, "--data-dir", reeve.data, "shell", *args], input=text, capture_output=True, text=True, timeout=60, check=False,
                          env=reeve.environment)


def test_lines_from_a_pipe(served):
    done = piped(served, "# a comment\n\nlist agents -q\ndeploy Nobody\nversion\n")
    assert done.returncode == 0 and "LogReader" in done.stdout and "no agent 'Nobody'" in done.stderr and done.stdout.count("reeve ") >= 1
    done = piped(served, "version\ndeploy Nobody\nagents\n", "-e")
    assert done.returncode == 4 and "LogReader" not in done.stdout
    assert piped(served, "version\nquit\nagents\n").stdout.count("Managed") == 0
    assert piped(served, "shell\n").returncode == 2
    assert piped(served, "ps").returncode == 0, "a last line without its end"
    start = time.monotonic()
    assert piped(served, "").returncode == 0 and time.monotonic() - start < 30
