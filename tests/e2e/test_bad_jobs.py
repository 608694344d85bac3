"""Bad files are refused whole, with every problem named, and change nothing."""
import pytest
from conftest import ROOT

HEAD = 'job: {name: x, version: "1", description: d}\n'
AGENTS = "agents: [{id: a, command: [sleep, '1']}, {id: b, command: [sleep, '1']}]\n"

BAD = {
    "empty": ("", "file is empty"),
    "unknown topology": (HEAD + AGENTS + "topology: {type: ring}\n", "'topology.type': unknown value 'ring'; allowed: hub-spoke, pipeline, dag, mesh, hierarchical, dynamic"),
    "unknown reference": (HEAD + AGENTS + "topology: {type: hub-spoke, hub: a, spokes: [bb]}\n", "unknown agent 'bb'; did you mean 'b'?"),
    "cycle": (HEAD + AGENTS + "topology: {type: dag, connections: [{from: a, to: b}, {from: b, to: a}]}\n", "cycle: a -> b -> a"),
    "port clash": (HEAD + "agents: [{id: a, command: [sleep, '1'], config: {port: 9001}}, {id: b, command: [sleep, '1'], config: {port: 9001}}]\n",
                   "port 9001 is also the port of agent 'a'"),
    "duplicate id": (HEAD + "agents: [{id: a, command: [sleep, '1']}, {id: a, command: [sleep, '1']}]\n", "duplicate agent id 'a'"),
    "no way to run": (HEAD + "agents: [{id: a}]\n", "agent 'a': none of module, command, reeve"),
    "command missing": (HEAD + "agents: [{id: a, command: [/no/such/program]}]\n", "/no/such/program"),
    "bad enum": (HEAD + "agents: [{id: a, command: [sleep, '1'], restart: {policy: alway}}]\n", "unknown value 'alway'; allowed: never, on-failure, always; did you mean 'always'?"),
    "variable": (HEAD + "agents: [{id: a, command: [sleep, '1'], environment: {X: '${NO_SUCH_VARIABLE}'}}]\n", "variable 'NO_SUCH_VARIABLE' is not set"),
    "truncated": (HEAD + "agents: [{id: a, comm", "error"),
    "deep": (HEAD + "agents: " + "[" * 100 + "]" * 100, "nested deeper than 64 levels"),
    "duplicate key": (HEAD + AGENTS + AGENTS, "error"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(bare, name):
    text, message = BAD[name]
    done = bare.run("validate", bare.job(text), code=3)
    assert message in done.stderr, done.stderr
    assert "job.yaml:" in done.stderr


@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"\xff\xfe\xfd", b"a: &x [1]\nb: [" + b"*x, " * 200 + b"*x]"], ids=["binary", "not utf-8", "aliases"])
def test_bytes_refused(bare, content):
    path = bare.directory / "job.yaml"
    path.write_bytes(content)
    bare.run("validate", path, code=3)


def test_huge_file_refused(bare):
    path = bare.directory / "job.yaml"
    with open(path, "wb") as file:
        file.truncate(100 * 1000 * 1000)
    done = bare.run("validate", path, code=None)
    assert done.returncode == 3 and "job.yaml:1:1: error: the file: 100000000 bytes; at most 8388608" in done.stderr


def test_what_no_server_takes_is_said_before_it_is_sent(bare):
    values = ", ".join(f"V{i}: {'x' * 1000}" for i in range(500))
    agents = "\n".join(f"  - {{id: a{i}, command: [sleep, '1'], environment: {f'&big {{{values}}}' if i == 0 else '*big'}}}" for i in range(90))
    job = bare.job(HEAD + f"agents:\n{agents}\ntopology: {{type: dynamic}}\n")
    said = bare.run("validate", job, code=3).stderr
    assert "as they are sent to a server: " in said and " bytes; at most 41943040" in said
    assert "as they are sent to a server: " in bare.run("up", "-d", job, code=3).stderr


def test_all_problems_at_once(bare):
    done = bare.run("validate", bare.job(HEAD + "agents: [{id: a}, {id: b, command: 'x'}]\ntopology: {type: ring}\n"), code=3)
    assert done.stderr.count("error:") >= 3


def test_strict_makes_warnings_errors(bare):
    job = bare.job(HEAD + "agents: [{id: a, command: [sleep, '1'], restrat: {max: 1}}]\n")
    assert "did you mean 'restart'?" in bare.run("validate", job).stderr
    bare.run("validate", "--strict", job, code=3)


def test_taken_port_names_its_holder(reeve):
    import os
    import socket
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        job = reeve.job(HEAD + f"agents: [{{id: a, command: [sleep, '100'], config: {{port: {port}}}}}]\n")
        done = reeve.run("up", "-d", job, code=6)
    assert f"port {port} is in use by pid {os.getpid()}" in done.stderr


def test_examples_are_valid(bare):
    for path in sorted((ROOT / "examples").rglob("job.yaml")):
        bare.run("validate", path)
