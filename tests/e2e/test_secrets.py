"""Secrets reach the agent that is meant to have them, and nothing else: every file, log, answer and command line is searched for the value."""
import contextlib
import os
import pathlib
import re
import resource
import signal
import subprocess

import pytest

from conftest import BIN, UnixConnection, alive, wait_until

VALUE = "s3cr3t-horse-Batt\"ery\\-äöü-staple"
NEXT = "0ther-Value-8812"
JOB = """
job: {name: vault}
agents:
  - {id: a, command: [sleep, '1000'], environment: {API_KEY: {secret: key}, PLAIN: text}}
  - {id: b, command: [sleep, '1000'], environment: {TOKEN: {file: token.txt}}}
topology: {type: dynamic}
"""


def set_secret(reeve, name, value, code=0):
    done = subprocess.run([BIN, "--data-dir", reeve.data, "secret", "set", name], input=value, env=reeve.environment, capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == code, done
    return done


def environment_of(pid):
    return dict(line.split("=", 1) for line in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if line)


def stream_of_events(reeve):
    connection = UnixConnection(str(reeve.data / "control.sock"))
    with contextlib.closing(connection):
        connection.request("GET", "/api/events")
        answer = connection.getresponse()
        text = b""
        while b"\n\n" not in text:
            text += answer.read1(65536)
        return text


def assert_nowhere(reeve, value):
    """Looks as raw bytes, JSON text and by its longest plain part."""
    needles = {value.encode(), max(re.split(r"[^A-Za-z0-9-]", value), key=len).encode()}
    files = [path for path in reeve.directory.rglob("*") if path.is_file() and path.name != "token.txt"]
    assert any(b"PLAIN=text" in path.read_bytes() for path in files)  # what is looked for is looked for where an environment would be
    for path in files:
        data = path.read_bytes()
        assert not any(needle in data for needle in needles), path
    for path in ("/api/deployments", "/api/deployments/vault", "/api/deployments/vault/history", "/api/deployments/vault/why", "/api/secrets", "/api/server", "/api/nodes", "/metrics"):
        answer = reeve.request("GET", path)
        assert not any(needle.decode() in str(answer) for needle in needles), path
    assert not any(needle.decode() in reeve.run("logs", "vault").stdout for needle in needles)
    assert not any(needle in stream_of_events(reeve) for needle in needles)
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert not any(needle in path.read_bytes() for needle in needles), path


def vault(reeve):
    set_secret(reeve, "key", VALUE + "\n")
    file = reeve.directory / "token.txt"
    file.write_text(VALUE + "\n")
    file.chmod(0o600)
    reeve.run("up", "-d", reeve.job(JOB))
    return reeve.instances("vault")


def test_only_the_agent_has_it(reeve):
    instances = vault(reeve)
    assert environment_of(instances["a"]["pid"])["API_KEY"] == VALUE  # one line end at its end is no part of it
    assert environment_of(instances["a"]["pid"])["PLAIN"] == "text"
    assert environment_of(instances["b"]["pid"])["TOKEN"] == VALUE
    assert "API_KEY" not in environment_of(instances["b"]["pid"])
    assert_nowhere(reeve, VALUE)
    key = reeve.data / "secrets.key"
    assert key.stat().st_mode & 0o777 == 0o600 and key.stat().st_size == 32


def test_a_crashed_agent_gets_it_again(reeve):
    pid = vault(reeve)["a"]["pid"]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    new = wait_until(lambda: (i := reeve.instances("vault")["a"])["pid"] not in (0, pid) and i["health"] == "healthy" and i, what="it runs again")
    assert environment_of(new["pid"])["API_KEY"] == VALUE


def test_it_is_there_after_the_server_was_killed(bare):
    bare.start()
    before = vault(bare)
    bare.kill_server(signal.SIGKILL)
    bare.start()
    wait_until(lambda: bare.instances("vault")["a"]["health"] == "healthy", what="a is adopted")
    assert bare.instances("vault")["a"]["pid"] == before["a"]["pid"] and alive(before["a"]["pid"])
    bare.run("restart", "vault", "a")
    assert environment_of(bare.instances("vault")["a"]["pid"])["API_KEY"] == VALUE
    assert_nowhere(bare, VALUE)


def test_a_changed_secret_is_told(reeve):
    vault(reeve)
    assert not reeve.instances("vault")["a"]["stale_environment"]
    assert "keep the old value" in set_secret(reeve, "key", NEXT).stderr
    assert reeve.instances("vault")["a"]["stale_environment"] and not reeve.instances("vault")["b"]["stale_environment"]
    assert "a secret has changed" in reeve.run("status", "vault").stdout
    assert "a secret has changed" in reeve.run("why", "vault").stdout
    assert "stale a: a secret" in reeve.run("diff", reeve.directory / "job.yaml").stdout
    assert "stale a: a secret" in reeve.run("up", "--dry-run", reeve.directory / "job.yaml").stdout
    reeve.run("restart", "vault", "a")
    assert environment_of(reeve.instances("vault")["a"]["pid"])["API_KEY"] == NEXT
    assert not reeve.instances("vault")["a"]["stale_environment"]
    reeve.kill_server()
    reeve.start()
    wait_until(lambda: reeve.instances("vault")["a"]["health"] == "healthy", what="a is adopted")
    assert not reeve.instances("vault")["a"]["stale_environment"]  # what it was given is known over restarts
    assert_nowhere(reeve, NEXT)


def test_missing_secrets_are_named_at_deploy(bare):
    bare.start()
    (bare.directory / "token.txt").write_text("x")
    (bare.directory / "token.txt").chmod(0o600)
    refused = bare.run("up", "-d", bare.job(JOB), code=3)
    for part in ("agent 'a'", "API_KEY", "no secret 'key'", "reeve secret set key"):
        assert part in refused.stderr, refused.stderr
    assert not bare.get("/api/deployments")["deployments"]


def test_a_file_that_others_may_read_is_refused(bare):
    """When the job is read, and again by the node, since it may have changed."""
    bare.start()
    set_secret(bare, "key", VALUE)
    file = bare.directory / "token.txt"
    assert "token.txt" in bare.run("validate", bare.job(JOB), code=3).stderr
    file.write_text("x")
    file.chmod(0o644)
    refused = bare.run("up", "-d", bare.job(JOB), code=3)
    assert "token.txt" in refused.stderr and "chmod 600" in refused.stderr
    file.chmod(0o600)
    bare.run("up", "-d", bare.job(JOB))
    file.chmod(0o644)
    bare.run("restart", "vault", "b", code=None)
    shown = wait_until(lambda: "chmod 600" in (text := bare.run("status", "vault", code=None).stdout) and text, what="the node says why")
    assert "token.txt" in shown and bare.instances("vault")["b"]["state"] != "running"


def test_words_of_the_command(bare):
    bare.start()
    set_secret(bare, "key", "", code=2)
    set_secret(bare, "a/b", "x", code=3)
    set_secret(bare, "key", "x" * (64 * 1024 + 1), code=15)
    set_secret(bare, "key", "nul\0inside", code=3)
    bare.run("secret", "rm", "key", code=4)
    file = bare.directory / "value"
    file.write_text(VALUE)
    bare.run("secret", "set", "key", "--from-file", file)
    listed = bare.run("secret", "list").stdout
    assert "key" in listed and VALUE not in listed
    bare.run("up", "-d", bare.job("job: {name: v}\nagents: [{id: a, command: [sleep, '1000'], environment: {K: {secret: key}}}]\ntopology: {type: dynamic}\n"))
    used = bare.run("secret", "rm", "key", code=5)
    assert "'v' runs with it" in used.stderr
    bare.run("down", "v")
    bare.run("secret", "rm", "key")
    problems = bare.run("validate", bare.job("job: {name: v}\nagents: [{id: a, command: [sleep, '1'], environment: {K: {secert: key}, L: {secret: 'a b'}, M: {}}}]\n"
                                             "topology: {type: dynamic}\n", "bad.yaml"), code=3).stderr
    assert problems.count("environment") >= 3, problems
    (bare.data / "secrets.key").chmod(0o644)
    assert "chmod 600" in set_secret(bare, "key", "x", code=13).stderr


def test_commands_beside_the_agent_have_it(reeve):
    vault(reeve)
    assert reeve.run("exec", "vault/a", "--", "sh", "-c", 'printf %s "$API_KEY"').stdout == VALUE
    assert reeve.run("exec", "vault/b", "--", "sh", "-c", 'printf %s "${API_KEY-none}"').stdout == "none"


def copies_in_memory(pid, value):
    """How many times @value stands in what process @pid has written to, or None when we may not look."""
    count = 0
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if "rw" in line.split()[1] and not line.endswith(("[vvar]", "[vsyscall]")):
                    with contextlib.suppress(OSError):
                        memory.seek(start)
                        count += memory.read(end - start).count(value)
    except OSError:
        return None
    return count


@pytest.mark.parametrize("node", ["embedded", "process"])
def test_no_copies_stay_in_memory(bare, node):
    """Setting a secret and starting agents with it leaves nothing in the server; a node keeps one copy for each, for commands beside the agent.
    What stands around the secret is longer from agent to agent, so that a buffer that it is written to grows just behind it, and what is freed is
    not used again at once."""
    plain = {f"a{i}": "x" * 48 * i for i in range(24)}
    agents = "".join(f"  - {{id: {name}, command: [sleep, '1000'], environment: {{API_KEY: {{secret: key}}, PLAIN: '{text}'}}}}\n" for name, text in plain.items())
    bare.node = node
    bare.start(GLIBC_TUNABLES="glibc.malloc.tcache_count=0:glibc.malloc.trim_threshold=1")
    set_secret(bare, "key", VALUE)
    set_secret(bare, "big", VALUE + "." * 40000)  # comes in more than one piece
    bare.run("up", "-d", bare.job(f"job: {{name: copies}}\nagents:\n{agents}topology: {{type: dynamic}}\n"))
    for needle in {part.encode() for part in re.split(r"[^A-Za-z0-9-]", VALUE) if len(part) > 6}:
        server, node = (copies_in_memory(process.pid if process else None, needle) for process in (bare.server_process, bare.node_process))
        if os.geteuid() != 0:
            assert server is None  # nobody of our user may look into it either
        elif server is None:
            pytest.skip("root without CAP_SYS_PTRACE may not read the memory of the server, which nobody else may either")
        elif bare.node == "process":
            assert (server, node) == (0, len(plain)), needle
        else:
            assert server == len(plain), needle


def test_servers_dump_no_core_and_agents_may(bare):
    """What a server holds is in no core dump; agents have the limit that it was given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    wanted = 4096 if hard == resource.RLIM_INFINITY or hard >= 4096 else hard
    resource.setrlimit(resource.RLIMIT_CORE, (wanted, hard))
    try:
        bare.start()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    limits = lambda pid: next(line.split()[4] for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core"))
    bare.run("up", "-d", bare.job("job: {name: c}\nagents: [{id: a, command: [sleep, '1000']}]\ntopology: {type: dynamic}\n"))
    assert limits(bare.server_process.pid) == "0" and limits(bare.instances("c")["a"]["pid"]) == str(wanted)
    if os.geteuid() != 0:
        assert copies_in_memory(bare.server_process.pid, b"x") is None
