"""Every command of README.md and docs/ is run as it stands there, block by block, in a directory where the examples are; and every example of a verb's
help, and every example job."""
import os
import re
import shlex
import signal
import subprocess
import time

import pytest
from conftest import BIN, ROOT, own_examples, wait_until

DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^(?:\$ )?((?:build/)?reeve |\./dev |curl |cp -a ).*|^(?:\$ )?(?:build/)?reeve$")
# What is of use with a server only; others start one, or need none.
WANTS_SERVER = re.compile(r"curl |reeve (server stop|token|secret|schedules|backup|audit|agents)\b")
# Verbs that go on until they are told to stop.
ENDLESS = {("logs", "-f"), ("monitor", None), ("events", None), ("node", None)}


def blocks(text):
    """The code blocks of a document, fenced or indented, as lists of command lines. Every line of a block in sh is one."""
    found, lines, fence = [], [], None
    for line in text.splitlines() + [""]:
        if line.startswith("```"):
            if fence is not None:
                found.append(lines)
            fence, lines = (line[3:] if fence is None else None), []
        elif fence is not None:
            lines.append(("$ " if fence == "sh" else "") + line.strip())
        elif line.startswith("    ") and not line.strip().startswith(("-", "|", "*")):
            lines.append(line.strip())
        elif lines:
            found.append(lines)
            lines = []
    commands = [[line.removeprefix("$ ") for line in block if COMMAND.match(line) or line.startswith("$ ")] for block in found]
    return [block for block in commands if any(block)]


CASES = [(document, number, block) for document in DOCUMENTS for number, block in enumerate(blocks((ROOT / document).read_text()))]


def example_ports(directory):
    """Of each port that an example job names: that job, and the port that its copy in @directory has."""
    found = {}
    for path in sorted((ROOT / "examples").glob("*/job.yaml")):
        name = path.relative_to(ROOT)
        pairs = [re.findall(r"port: (\d+)", text) for text in (path.read_text(), (directory / name).read_text())]
        found.update({old: (str(name), new) for old, new in zip(*pairs)})
    return found


class Shell:
    """Runs command lines without a shell, as somebody in a clone would."""

    def __init__(self, reeve):
        self.reeve, self.left, self.up = reeve, [], set()
        home = reeve.directory / "home"
        (reeve.directory / "build").mkdir()
        (home / ".local/state").mkdir(parents=True)
        for name in ("reeve", "reeve-shim"):
            (reeve.directory / "build" / name).symlink_to(BIN.parent / name)
        (home / ".local/state/reeve").symlink_to(reeve.data)
        reeve.data.mkdir(exist_ok=True, mode=0o700)
        own_examples(reeve.directory)
        self.ports = example_ports(reeve.directory)
        self.environment = {**reeve.environment, "HOME": str(home), "REEVE_LISTEN": "127.0.0.1:0", "REEVE_DATA_DIR": str(reeve.data), "PATH": f"{reeve.directory}/build:{os.environ['PATH']}"}
        (reeve.directory / "reeve").mkdir(exist_ok=True)

    def expand(self, word):
        if "$REEVE_TOKEN" in word and "REEVE_TOKEN" not in self.environment:
            self.environment["REEVE_TOKEN"] = self.reeve.run("token", "create", "docs", "--role", "admin").stdout.strip()
        word = re.sub(r"\$(\w+)", lambda match: self.environment[match[1]], word)
        return word.replace("~", self.environment["HOME"], 1) if word.startswith("~") else word

    def words(self, line):
        words = [self.expand(word) for word in shlex.split(line, comments=True)]
        if "127.0.0.1:7373" in line:  # the port of this server
            words = [word.replace("127.0.0.1:7373", self.reeve.get("/api/server")["listen"]) for word in words]
        words = [re.sub(r"(?<=//localhost:)\d+", lambda match: self.ports.get(match[0], ("", match[0]))[1], word) for word in words]
        # the socket is beside the state, as docs/user-guide.md says of REEVE_DATA_DIR; /backup is nobody's to write
        return [word.replace(f"{self.reeve.directory}/reeve/control.sock", str(self.reeve.data / "control.sock")).replace("/backup/", f"{self.reeve.directory}/")
                for word in words]

    def start(self, words):
        return subprocess.Popen(words, cwd=self.reeve.directory, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                stdin=subprocess.DEVNULL)

    def run_endless(self, words):
        """Until its first word, or half a second of silence, then Ctrl-C."""
        with self.start(words) as process:
            end = time.monotonic() + 0.5
            wait_until(lambda: time.monotonic() > end or process.poll() is not None, what="half a second")
            assert process.poll() is None or words[1] == "logs", process.stdout.read()
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=20)[0]
            assert process.returncode in (0, 130, -signal.SIGINT), said

    def run(self, line, codes=(0,)):
        words = self.words(line)
        verb = words[1] if words[0].endswith("reeve") and len(words) > 1 else None
        self.up |= {word for word in shlex.split(line, comments=True) if verb == "up" and word.endswith("job.yaml")}
        if verb and ((verb, None) in ENDLESS or (verb, words[2] if len(words) > 2 else "") in ENDLESS):
            self.run_endless(words)
        elif verb == "server" and not {"start", "stop", "status"} & set(words):
            self.left.append(self.start(words))
            wait_until(self.reeve.answers, what="the server answers")
        elif verb == "up" and "-d" not in words:
            self.run_up(words)
        else:
            given = "a value\n" if "<" in words else ""
            words = words[:words.index("<")] if "<" in words else words
            done = subprocess.run(words, cwd=self.reeve.directory, env=self.environment, capture_output=True, text=True, timeout=90, input=given, check=False)
            assert done.returncode in codes, f"{line}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"

    def run_example_of(self, line):
        """Who asks an agent of an example has brought that example up."""
        port = re.search(r"//localhost:(\d+)", line)
        job = self.ports.get(port[1], (None,))[0] if port else None
        if job and job not in self.up:
            self.run(f"reeve up -d {job}")

    def run_up(self, words):
        with self.start(words) as process:
            wait_until(lambda: self.reeve.answers() and any(d["status"] == "running" for d in self.reeve.get("/api/deployments")["deployments"]), what="it runs")
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=20)

    def close(self):
        for process in self.left:
            process.kill()
            process.communicate()


def help_verbs(reeve):
    verbs = re.findall(r"^  (\w+) ", reeve.run("help").stdout.split("\nVerbs\n")[1].split("\n\n")[0], re.MULTILINE)
    assert len(verbs) > 15
    return verbs


@pytest.fixture
def shell(bare):
    one = Shell(bare)
    yield one
    one.reeve.run("server", "stop", "--down", code=None)
    one.close()


@pytest.mark.parametrize("document, number, block", CASES, ids=[f"{document}-{number}" for document, number, _ in CASES])
def test_block(shell, document, number, block):
    verbs = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    for line in filter(None, block):
        assert COMMAND.match(line), f"{line}: no test knows how to run this command"
        if line.startswith("./dev "):  # test_desk.py runs what the demo runs; the others are this very run
            assert re.search(rf"^  {line.split()[1]}\b", verbs, re.MULTILINE), f"{line}: no such verb in ./dev help"
            continue
        if WANTS_SERVER.match(line) and not shell.reeve.answers():
            shell.run("reeve server start")
        if re.match(r"reeve (node|.*--node-socket)", line):
            continue  # test fixtures run every test with a node of its own
        shell.run_example_of(line)
        shell.run(line)


def test_commands_were_found():
    assert sum(len(block) for _, _, block in CASES) >= 14


def test_commands_in_the_text(bare):
    """What the text between the blocks calls a command is a verb that there is, with options that its help lists."""
    verbs, found = help_verbs(bare), 0
    for document in DOCUMENTS:
        for line in re.findall(r"`reeve ([^`]+)`", (ROOT / document).read_text()):
            verb, *words = line.split()
            if verb != "VERB":
                assert verb in verbs, f"{document}: `reeve {line}`: no such verb"
                text, found = bare.run("help", verb).stdout, found + 1
                assert all(word in text for word in words if word.startswith("-")), f"{document}: `reeve {line}`: not in the help of '{verb}'"
    assert found > 15


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/job.yaml")), ids=lambda path: path.parent.name)
def test_example(bare, path):
    """It says what to watch, is valid, comes up and goes down."""
    assert path.read_text().startswith("# Watch: "), "the first line says what to watch"
    job = own_examples(bare.directory) / path.parent.name / "job.yaml"
    bare.run("validate", job)
    bare.run("up", "-d", job, HOME=str(bare.directory))
    name = bare.get("/api/deployments")["deployments"][0]["name"]
    if any(instance["url"] for instance in bare.instances(name).values()):
        assert bare.run("prompt", name, "hello").stdout.strip()
    bare.run("down", name)


def test_example_answers(bare):
    """What the connections of each topology make of one prompt."""
    examples = own_examples(bare.directory)
    wanted = {"hub-spoke": ["middle", "north", "south"], "pipeline": ["fetch", "clean", "count", "store"], "dag": ["source", "left", "right", "sink"],
              "mesh": ["ada", "bea", "cid"], "hierarchical": ["chief", "lead-a", "lead-b", "ann", "bob", "cal"], "dynamic": ["rover", "scout"]}
    for name, agents in wanted.items():
        bare.run("up", "-d", examples / name / "job.yaml")
        answer = wait_until(lambda name=name, agents=agents: all(f"{agent}: " in (said := bare.run("prompt", name, "hello").stdout) for agent in agents) and said,
                            what=f"{name} answers with {agents}")
        assert "missing" not in answer
        bare.run("down", name)


def test_rollback_example(bare):
    examples = own_examples(bare.directory)
    bare.run("up", "-d", examples / "rollback/job.yaml")
    before = bare.instances("rollback")
    done = bare.run("up", "-d", examples / "rollback/broken.yaml", code=7)
    assert "the new model is not installed" in done.stderr
    after = bare.instances("rollback")
    assert bare.deployment("rollback")["revision"] == 1 and after["watcher"]["pid"] == before["watcher"]["pid"]
    assert after["worker"]["url"] == before["worker"]["url"]


def test_help_examples_parse(bare):
    """Each example in the help of a verb names options that the verb has."""
    for verb in help_verbs(bare):
        text = bare.run("help", verb).stdout
        for line in re.findall(rf"^\s+(reeve {verb} .*)$", text, re.MULTILINE):
            words = shlex.split(line, comments=True)
            for word in (word for word in words if re.fullmatch(r"--\w[\w-]*", word)):
                assert word in text.replace(line, ""), f"{line}: help of '{verb}' does not list {word}"
