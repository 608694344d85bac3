"""Each limit of docs/job-file.md "Limits": a job that has so much is taken by `validate`, `plan` and `up`, one that has more is refused by all of them with the
same words, at its place, with what was found and the most. And the API says the same."""
import pytest
from conftest import ROOT, wait_until

HEAD = "job: {name: big}\n"
ONE = "agents:\n- {id: a, command: [sleep, '1000']"


def env(n, name="V", value="x"):
    return "{" + ", ".join(f"{name}{i:04}: {value}" for i in range(n)) + "}"


def of_bytes(n):
    """A file of @n bytes."""
    text = HEAD + ONE + "}\n# "
    return text + "x" * (n - len(text) - 1) + "\n"


def variables(more):
    return HEAD + f"environment: {env(2000)}\n" + ONE + f", environment: {env(1990, 'A')}, config: {env(more, 'K')}}}\n"  # and what the caller has


# name: (the job at the limit, one above, what is said of that; "up": brought up for real)
LIMITS = {
    "bytes of the file": (lambda: of_bytes(8 << 20), lambda: of_bytes((8 << 20) + 1), ":1:1: error: the file: 8388609 bytes; at most 8388608", "up"),
    "aliases": (lambda: HEAD + "x-a: [&x 1, " + "*x, " * 99 + "*x]\n" + ONE + "}\n", lambda: HEAD + "x-a: [&x 1, " + "*x, " * 100 + "*x]\n" + ONE + "}\n",
                ":2:14: error: the file: 101 aliases; at most 100", "up"),
    "anchors": (lambda: HEAD + "x-a: [" + ", ".join(f"&x{i} 1" for i in range(2000)) + "]\n" + ONE + "}\n",
                lambda: HEAD + "x-a: [" + ", ".join(f"&x{i} 1" for i in range(2001)) + "]\n" + ONE + "}\n", ":1:1: error: the file: 2001 anchors; at most 2000", "up"),
    "keys": (lambda: HEAD + ONE + f", environment: {env(2000)}}}\n", lambda: HEAD + ONE + f", environment: {env(2001)}}}\n",
             ":3:51: error: 'agents[0].environment': 2001 keys; at most 2000", "up"),
    "name": (lambda: HEAD + f"agents:\n- {{id: {'a' * 64}, command: [sleep, '1000']}}\n", lambda: HEAD + f"agents:\n- {{id: {'a' * 65}, command: [sleep, '1000']}}\n",
             "is not a name; allowed: up to 64 letters", "up"),
    "agents": (lambda: HEAD + "agents:\n" + "- {id: a%d, command: [x]}\n" * 50000 % tuple(range(50000)),
               lambda: HEAD + "agents:\n" + "- {id: a%d, command: [x]}\n" * 50001 % tuple(range(50001)), ":3:4: error: 'agents': 50001 agents; at most 50000", ""),
    "replicas": (lambda: HEAD + ONE + ", replicas: 1000}\n", lambda: HEAD + ONE + ", replicas: 1001}\n",
                 "'agents[0].replicas': wanted a number from 1 to 1000, not '1001'", ""),
    "instances": (lambda: HEAD + "agents:\n" + "".join(f"- {{id: a{i}, command: [x], replicas: 1000}}\n" for i in range(50)),
                  lambda: HEAD + "agents:\n" + "".join(f"- {{id: a{i}, command: [x], replicas: 1000}}\n" for i in range(50)) + "- {id: b, command: [x]}\n",
                  ":3:4: error: 'agents': 50001 instances; at most 50000", ""),
    "connections": (lambda: mesh(1000), lambda: mesh(1001), ": error: 'topology': 1001000 connections; at most 1000000", ""),
    "webhooks": (lambda: HEAD + ONE + "}\nnotify:\n" + "- {url: 'http://127.0.0.1:9/'}\n" * 16, lambda: HEAD + ONE + "}\nnotify:\n" + "- {url: 'http://127.0.0.1:9/'}\n" * 17,
                 ":5:4: error: 'notify': 17 webhooks; at most 16", "up"),
    "words": (lambda: words(4096), lambda: words(4097), ":3:4: error: agent 'a': 'command': 4097 words; at most 4096", "up"),
    "one word": (lambda: HEAD + f"agents:\n- {{id: a, command: [sh, -c, 'sleep 1000', {'x' * 131071}]}}\n",
                 lambda: HEAD + f"agents:\n- {{id: a, command: [sh, -c, 'sleep 1000', {'x' * 131072}]}}\n",
                 ":3:4: error: agent 'a': word 4 of 'command': 131072 bytes; at most 131071", "up"),
    "one variable": (lambda: HEAD + ONE + f", environment: {{V: {'x' * 131069}}}}}\n", lambda: HEAD + ONE + f", environment: {{V: {'x' * 131070}}}}}\n",
                     ":3:4: error: agent 'a': variable 'V': 131072 bytes; at most 131071", "up"),
    "variables": (lambda: variables(0), lambda: variables(50), ":4:4: error: agent 'a': its environment: ", "up"),
    "URLs of others": (lambda: hub(5698), lambda: hub(5699), ": error: agent 'hub': variable 'CONNECTED_AGENTS': 131093 bytes; at most 131071", ""),
    "command and environment": (lambda: HEAD + ONE + f", environment: {env(7, value='x' * 131065)}}}\n",
                                lambda: HEAD + ONE + f", environment: {env(8, value='x' * 131065)}}}\n", ":3:4: error: agent 'a': its command and environment: ", "up"),
}


def mesh(n):
    return HEAD + "agents:\n" + "".join(f"- {{id: a{i}, command: [x]}}\n" for i in range(n)) + f"topology: {{type: mesh, agents: [{', '.join(f'a{i}' for i in range(n))}]}}\n"


def hub(n):
    spokes = "".join(f"- {{id: a{i}, command: [x], config: {{port: {20000 + i}}}}}\n" for i in range(n))
    return (HEAD + "agents:\n- {id: hub, command: [x]}\n" + spokes + f"topology: {{type: hub-spoke, hub: hub, spokes: [{', '.join(f'a{i}' for i in range(n))}]}}\n")


def words(n):
    return HEAD + f"agents:\n- {{id: a, command: [sh, -c, 'sleep 1000'{', x' * (n - 3)}]}}\n"


def errors(said):
    return [line for line in said.splitlines() if ": error: " in line]


@pytest.mark.parametrize("name", LIMITS)
def test_at_the_limit_and_above(bare, name):
    fits, above, said, how = LIMITS[name]
    x = bare.directory / "x"
    x.write_text("#!/bin/sh\n")
    x.chmod(0o755)
    path = {"PATH": f"{bare.directory}:/usr/bin:/bin"}
    job = bare.directory / "job.yaml"
    job.write_text(fits())
    bare.run("validate", job, **path)
    bare.run("plan", "-q", job, **path)
    if how:
        bare.run("up", "-q", "-d", job, **path)
        assert next(iter(bare.instances("big").values()))["state"] == "running"
    job.write_text(above())
    refused = [bare.run(*verb, job, code=3, **path).stderr for verb in (["validate"], ["plan"], ["up", "-d"])]
    assert said in refused[0] and "job.yaml:" in refused[0], refused[0][:2000]
    assert errors(refused[0]) == errors(refused[1]) == errors(refused[2])


def test_files_that_a_job_names(bare):
    for size, code in ((1 << 20, 0), ((1 << 20) + 1, 3)):
        (bare.directory / "env").write_text("A=1\n#" + "x" * (size - 6) + "\n")
        (bare.directory / "agent.toml").write_text('name = "a"\n#' + "x" * (size - 13) + "\n")
        for agent in ("command: [sleep, '1000'], env_file: env", "reeve: {agent: agent.toml}"):
            said = bare.run("validate", bare.job(HEAD + f"agents:\n- {{id: a, {agent}}}\n"), code=code).stderr
            assert not code or ": 1048577 bytes, larger than 1048576 bytes" in said, said


def test_the_longest_start(bare):
    """What goes to a node in one frame and is kept in one file: nearly 8 MiB, since control characters take six bytes in JSON. It runs, and is found again."""
    bare.start()
    (bare.directory / "agent.toml").write_text('name = "a"\n[llm]\nprovider = "command"\ncommand = ["true"]\n#' + '"' * ((1 << 20) - 60))
    body = lambda more: HEAD + "agents:\n- {id: a, config: {port: auto}, reeve: {agent: agent.toml}, environment: {" + ", ".join(
        f'V{i}: "' + "\\x01" * (130900 if i else more) + '"' for i in range(8)) + "}}\n"
    said = bare.run("validate", bare.job(body(130900)), code=3).stderr
    assert "agent 'a': what its node is told to start it: " in said and "; at most 8323072" in said, said[:2000]
    over = int(said.split("to start it: ")[1].split()[0]) - 8323072
    most = 130900 - (over + 5) // 6
    assert "to start it" in bare.run("up", "-d", bare.job(body(most + 1)), code=3).stderr
    job = bare.job(body(most))
    bare.run("validate", job)
    bare.run("up", "-q", "-d", job)
    pid = bare.instances("big")["a"]["pid"]
    bare.kill_server()
    bare.start()
    wait_until(lambda: bare.instances("big")["a"]["pid"] == pid and bare.instances("big")["a"]["state"] == "running", what="it is there again")


def test_many_long_commands(reeve):
    """What a node is asked about them before they start is one frame, which would have 12 MB with all their words."""
    reeve.run("up", "-q", "-d", reeve.job(HEAD + f"agents:\n- {{id: a, kind: batch, command: ['true', {'x' * 50000}], replicas: 240}}\n"))
    assert [i["state"] for i in reeve.deployment("big")["instances"]] == ["completed"] * 240


def resolved(agents, **more):
    return {"job": {"name": "api", "agents": [{"id": f"a{i}", "command": ["sleep", "1000"], **more} for i in range(agents)], "topology": {"type": "dynamic"}}}


@pytest.mark.parametrize("body, said", [
    (resolved(51, replicas=1000), "'agents': 51000 instances; at most 50000"),
    (resolved(50001), "'agents': 50001 agents; at most 50000"),
    ({"job": {**resolved(1)["job"], "notify": [{"url": "http://a/"}] * 17}}, "'notify': 17 webhooks; at most 16"),
    (resolved(1, environment={"V": "x" * 131070}), "agent 'a0': variable 'V': 131072 bytes; at most 131071"),
    (resolved(1, command=["sleep"] * 4097), "agent 'a0': 'command': 4097 words; at most 4096"),
], ids=["instances", "agents", "webhooks", "variable", "words"])
def test_the_api_says_the_same(reeve, body, said):
    for path, more in (("/api/plan", {}), ("/api/deployments", {"source_name": "job.yaml", "source": ""})):
        status, problem = reeve.request("POST", path, {**body, **more})
        assert status == 422 and problem["problems"] == [said], problem
    assert reeve.get("/api/deployments")["deployments"] == []


def test_the_document_has_every_row():
    text = (ROOT / "docs/job-file.md").read_text()
    assert text.count("| ") and "## Limits" in text and "| a job | 50000 agents |" in text
