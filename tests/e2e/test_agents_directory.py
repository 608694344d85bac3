"""reeve server --agents-dir: files are found, watched, deployed by name; broken ones hide nobody."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import time

import pytest
from conftest import alive, wait_until

SERVED = '[agent]\nname = "{name}"\n[llm]\nprovider = "command"\ncommand = ["cat"]\n{more}'


def put(place, directory, text, name="agent.toml"):
    (place / directory).mkdir(parents=True, exist_ok=True)
    (place / directory / name).write_text(text)
    return place / directory / name


def served(name, more=""):
    return SERVED.format(name=name, more=more)


@pytest.fixture
def place(bare):
    directory = bare.directory / "agents"
    directory.mkdir()
    bare.server_args = ["--agents-dir", directory]
    return directory


def agents(reeve):
    return {agent["name"]: agent for agent in reeve.get("/agents")["agents"]}


def metric(reeve, name):
    return int(next(line.split()[1] for line in reeve.get("/metrics").decode().splitlines() if line.startswith(name + " ")))


def until(reeve, name, seconds=15, **wanted):
    """Waits until the agent @name has the fields of @wanted; None as status: it is not listed."""
    def there():
        agent = agents(reeve).get(name)
        if wanted.get("status", "") is None:
            return agent is None
        return agent if agent and all(agent[key] == value for key, value in wanted.items()) else None
    return wait_until(there, seconds, what=f"{name}: {wanted}")


def test_life(bare, place):
    put(place, "one", served("LogReader"))
    put(place, "two", served("Second"))
    bare.start()
    table = bare.run("agents").stdout
    assert table.startswith("Managed Agent Instances (2 total):\n") and "RESTARTS" in table
    assert "Agent LogReader deployed on port 81" in bare.run("deploy", "one").stdout, "the name of its directory means it too"
    first = until(bare, "LogReader", status="running", health_status="healthy")
    assert alive(first["pid"]) and first["port"] >= 8100 and len(first["checksum"]) == 64
    bare.run("deploy", "Second")
    second = until(bare, "Second", status="running")
    assert second["port"] > first["port"]
    assert bare.run("prompt", "LogReader", "hello").stdout.strip() == "hello"
    assert "Agent LogReader is up to date, on port 81" in bare.run("deploy", "LogReader").stdout
    assert "status:    running" in bare.run("status", "LogReader").stdout and "Status: running" in bare.run("status", "one").stdout
    bare.run("restart", "one")
    again = until(bare, "LogReader", status="running")
    assert again["pid"] != first["pid"] and again["port"] == first["port"]
    assert "Agent LogReader stopped" in bare.run("undeploy", "one").stdout
    assert not alive(again["pid"])
    assert "not deployed" in bare.run("undeploy", "LogReader").stdout
    assert until(bare, "LogReader", status="stopped")["pid"] is None
    bare.run("deploy", "LogReader")
    assert until(bare, "LogReader", status="running")["port"] == first["port"], "it gets its port back"


def test_a_directory_of_too_many_says_so(bare, place):
    for i in range(10003):
        (place / f"d{i:05}").mkdir()
    bare.start()
    told = bare.run("deploy", "somebody", code=4).stderr
    assert f"no agent 'somebody' in '{place}'; of its directories only 10000 are looked at, and there are more" in told, told
    assert (bare.directory / "server.out").read_text().count("agents directory is too large") == 1
    for i in range(10):
        (place / f"d{i:05}").rmdir()
    wait_until(lambda: "there are more" not in bare.run("deploy", "somebody", code=4).stderr, what="there is room again")
    put(place, "late", served("late"))
    until(bare, "late", status="discovered")


def test_all_errors_of_a_file_are_listed(bare, place):
    put(place, "broken", "[agent]\nname = 'broken'\n[llm]\nmodel = 7\ntemperature = 'hot'\n")
    put(place, "good", served("good"))
    bare.start()
    table = bare.run("agents").stdout
    assert table.startswith("Managed Agent Instances (2 total):\n")
    told = table.split("\n\nbroken:\n")[1].splitlines()
    assert len(told) == 2 and f"{place}/broken/agent.toml:4:1: error: " in told[0] and f"{place}/broken/agent.toml:5:1: error: " in told[1], table
    assert re.search(r"^good +discovered +- +- +- +0 +-$", table, re.MULTILINE), "nobody asks how one is that is not deployed"
    assert "Health: -\n" in bare.run("status", "good").stdout and agents(bare)["good"]["health_status"] == "unknown"


def test_a_stop_frees_the_port(bare, place):
    for name in ("a", "b"):
        put(place, name, served(name))
    bare.start()
    bare.run("deploy", "a")
    port = until(bare, "a", status="running")["port"]
    bare.run("undeploy", "a")
    bare.run("deploy", "b")
    assert until(bare, "b", status="running")["port"] == port, "free for others"
    bare.run("deploy", "a")
    assert until(bare, "a", status="running")["port"] > port


def test_change_on_disk(bare, place):
    file = put(place, "one", served("one"))
    bare.start()
    bare.run("deploy", "one")
    pid = until(bare, "one", status="running")["pid"]
    file.write_text(served("one", "# new\n"))
    wait_until(lambda: "changed on disk" in (agents(bare)["one"]["error_message"] or ""), what="the change is told")
    assert agents(bare)["one"]["pid"] == pid
    bare.run("deploy", "one")
    assert until(bare, "one", status="running", error_message=None)["pid"] != pid
    file.write_text("[agent\n")
    wait_until(lambda: "agent.toml:1:" in (agents(bare)["one"]["error_message"] or ""), what="the error is told")
    assert agents(bare)["one"]["status"] == "running"
    assert "agent.toml:1:" in bare.run("deploy", "one", code=3).stderr
    file.write_text(served("one"))
    bare.run("rollback", "one")
    until(bare, "one", status="running", error_message=None)
    file.unlink()
    until(bare, "one", status="running", error_message="its file is gone from the agents directory")
    bare.run("undeploy", "one")


@pytest.mark.asan
def test_broken_files_hide_nobody(bare, place):
    outside = put(bare.directory, "outside", served("outside"))
    put(place, "good", served("good"))
    put(place, "toml", '[agent]\nname = "x"\nname = "y"\n')
    put(place, "json", '{"name": "j",\n  "llm": }', "agent.json")
    put(place, "binary", "\x00\x01")
    put(place, "variable", served("variable") + 'x = "${NO_SUCH_VARIABLE}"\n')
    put(place, "range", served("range", "[deployment]\nmax_restarts = -2\n"))
    put(place, "name", served("no name"))
    put(place, "twin", served("good"))
    put(place, "both", "broken", "agent.json")
    put(place, "both", served("both"))
    put(place, "flat", '{"name": "flat", "llm": {"provider": "command", "command": ["cat"]}}', "agent.json")
    put(place, "nested", '{"agent": {"name": "deep"}, "llm": {"provider": "command", "command": ["cat"]}}', "agent.json")
    put(place, "nameless", '{"llm": {"provider": "command", "command": ["cat"]}}', "agent.json")
    (place / "link").mkdir()
    (place / "link" / "agent.toml").symlink_to(outside)
    (place / "linked").symlink_to(outside.parent)
    (place / "a file").write_text("x")
    (place / "empty").mkdir()
    put(place, "bell\a", served("bell"))
    put(place, ".hidden", served("hidden"))
    (place / "fifo").mkdir()
    os.mkfifo(place / "fifo" / "agent.toml")
    bare.start()
    listed = bare.get("/agents")["agents"]
    places = {"toml": "agent.toml:3:", "json": "agent.json:2:", "binary": "agent.toml:1:1", "range": "agent.toml:7:1:", "fifo": "not a regular",
              "variable": "agent.toml:6:6:", "link": "out of the agents directory", "linked": "out of the agents directory"}
    invalid = {agent["name"]: agent["error_message"] for agent in listed if agent["status"] == "invalid"}
    assert set(invalid) == {*places, "name", "good"}
    for name, wanted in places.items():
        assert wanted in invalid[name], invalid
    assert "no name" in invalid["name"] and "good" in invalid["good"]
    assert {agent["name"] for agent in listed if agent["status"] == "discovered"} == {"good", "both", "flat", "deep", "nameless"}
    for name in ("deep", "nameless", "both"):
        assert bare.run("deploy", name).stdout.startswith(f"Agent {name} deployed")
    bare.run("deploy", "range", code=3)
    bare.run("deploy", "nobody", code=4)


@pytest.mark.asan
def test_removed_and_made_again(bare, place):
    """As `rm -rf DIR && cp -r` and many checkouts do, also a directory above it, also where the path is a link."""
    real = bare.directory / "above/real"
    put(real, "one", served("one"))
    place.rmdir()
    place.symlink_to(real)
    bare.start()
    until(bare, "one", status="discovered")
    put(real, "two", served("two"))
    until(bare, "two", status="discovered")
    for name in ("three", "four"):
        shutil.rmtree(real)
        wait_until(lambda: not agents(bare), what="nothing is listed")
        put(real, name, served(name))
        until(bare, name, status="discovered")
        put(real, name + "b", served(name + "b"))
        until(bare, name + "b", status="discovered")
    (bare.directory / "above").rename(bare.directory / "former")
    put(real, "five", served("five"))
    until(bare, "five", status="discovered")
    assert list(agents(bare)) == ["five"]


def test_a_link_costs_no_scans(bare, place):
    """What a link leads to cannot be watched as itself: it alone is looked at now and then, not everything."""
    put(place, "store/one", served("one"))
    put(place, "two", served("two"))
    (place / "link").symlink_to("store/one")
    bare.start()
    until(bare, "one", status="discovered")
    scans = metric(bare, "reeve_agent_scans_total")
    for name in ("once", "twice"):
        put(place, "store/one", served(name))
        until(bare, name, status="discovered")
    assert metric(bare, "reeve_agent_scans_total") == scans


def test_renames_and_deletes(bare, place):
    bare.start()
    put(place, "one", served("one"))
    until(bare, "one", status="discovered")
    (place / "one").rename(place / "other")
    wait_until(lambda: agents(bare)["one"]["config_path"] == str(place / "other/agent.toml"), what="the new path")
    put(place, "other", served("renamed"))
    until(bare, "renamed", status="discovered")
    (place / "other/agent.toml").rename(place / "other/agent.off")
    until(bare, "renamed", status=None)
    (place / "other/agent.off").rename(place / "other/agent.toml")
    until(bare, "renamed", status="discovered")
    (place / "other/agent.toml").unlink()
    (place / "other").rmdir()
    until(bare, "renamed", status=None)
    place.rename(bare.directory / "away")
    place.mkdir()
    put(place, "late", served("late"))
    until(bare, "late", status="discovered")
    put(place, "later", served("later"))
    until(bare, "later", status="discovered")


def test_rules_of_the_file(bare, place):
    """auto_start, a fixed port, restart rules, variables."""
    put(place, "auto", served("auto", "[deployment]\nauto_start = true\n"))
    put(place, "fixed", served("fixed", "[deployment]\nport = 8377\n"))
    put(place, "frail", served("frail", "[deployment]\nauto_restart = false\n"))
    put(place, "tough", served("tough", "[deployment]\nrestart_delay = 0.05\nmax_restarts = 2\n"))
    put(place, "vars", '[agent]\nname = "vars"\n[llm]\nprovider = "command"\ncommand = ["echo", "${GREETING} $x"]\n')
    bare.start(GREETING='a "quoted" word')
    until(bare, "auto", status="running")
    bare.run("deploy", "fixed")
    assert until(bare, "fixed", status="running")["port"] == 8377
    bare.run("deploy", "frail")
    os.kill(until(bare, "frail", status="running")["pid"], signal.SIGKILL)
    assert "signal 9" in until(bare, "frail", status="failed")["error_message"]
    bare.run("deploy", "tough")
    for restarts in (1, 2):
        os.kill(until(bare, "tough", status="running", health_status="healthy")["pid"], signal.SIGKILL)
        until(bare, "tough", status="running", health_status="healthy", restart_count=restarts)
    os.kill(agents(bare)["tough"]["pid"], signal.SIGKILL)
    until(bare, "tough", status="failed")
    bare.run("deploy", "vars")
    assert bare.run("prompt", "vars", "x").stdout.strip() == 'a "quoted" word $x'
    bare.run("undeploy", "auto")
    bare.kill_server(signal.SIGTERM)
    bare.start(GREETING="other")
    assert agents(bare)["auto"]["status"] == "stopped", "what a person stopped stays stopped"


def test_keys_of_a_file(bare, place):
    """A secret of the server and variables of the server reach the agent; without them nothing starts. A file without a brain gets the server's."""
    text = '[agent]\nname = "{0}"\n[llm]\nprovider = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:9"\n{1}\n'
    put(place, "hidden", text.format("hidden", 'api_key_secret = "model-key"'))
    put(place, "open", text.format("open", 'api_key_env = "MODEL_KEY"'))
    put(place, "plain", '[agent]\nname = "plain"\n')
    bare.start(MODEL_KEY="abc", REEVE_MODEL="big", REEVE_MODEL_URL="http://127.0.0.1:9")
    assert "model-key" in bare.run("deploy", "hidden", code=None).stderr
    (bare.directory / "key").write_text("s3cret-value")
    bare.run("secret", "set", "model-key", "--from-file", bare.directory / "key")
    for name, key in (("hidden", b"model-key=s3cret-value"), ("open", b"MODEL_KEY=abc"), ("plain", b"REEVE_MODEL=big"), ("plain", b"REEVE_MODEL_URL=http://127.0.0.1:9")):
        bare.run("deploy", name)
        assert key in pathlib.Path(f"/proc/{until(bare, name, status='running')['pid']}/environ").read_bytes()
    assert "s3cret" not in bare.run("agents", "-o", "json").stdout + (bare.directory / "server.out").read_text()


def test_max_agents_and_configuration(bare):
    place = bare.directory / "configured"
    for name in ("a", "b", "c"):
        put(place, name, served(name))
    config = bare.directory / "config.json"
    config.write_text(json.dumps({"deployment": {"agents_directory": "configured", "max_agents": 2, "base_port": 8460, "restart_on_failure": False,
                                                 "health_check_interval": 1.5, "remote_servers": [{"name": "lab"}], "bas_port": 1}}, indent=1))
    bare.server_args = ["--config", config]
    bare.start()
    said = (bare.directory / "server.out").read_text()
    assert "config.json:7" in said or "config.json:8" in said, said
    assert "remote_servers" in said and "did you mean 'base_port'" in said
    bare.run("deploy", "a")
    bare.run("deploy", "b")
    assert [agents(bare)[name]["port"] for name in "ab"] == [8460, 8461]
    assert "max_agents is 2" in bare.run("deploy", "c", code=5).stderr
    bare.run("undeploy", "a")
    bare.run("deploy", "c")
    assert agents(bare)["c"]["port"] == 8460
    os.kill(agents(bare)["c"]["pid"], signal.SIGKILL)
    until(bare, "c", status="failed")
    bare.run("server", "stop", "--down")
    for text, wanted in (('{"deployment": {"base_port": 0,\n "max_agents": "x"}}', ("config.json:1:17", "config.json:2:2")), ('{"deployment": [', ("config.json:1:",))):
        config.write_text(text)
        done = bare.run("server", "--config", config, code=3)
        assert all(place in done.stderr for place in wanted), done.stderr
    config.write_text('{"deployment": {"enabled": false}}')
    bare.start()
    assert bare.get("/agents")["directory"] is None
    assert "--agents-dir" in bare.run("agents", code=4).stderr


def test_configured_api_port(bare):
    """The port of the block is taken: the next one, or none with auto_discover_port false."""
    config = bare.directory / "config.json"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        block = {"host": "localhost", "api_port": port}
        config.write_text(json.dumps({"deployment": block}))
        bare.server_args = ["--config", config]
        bare.start(REEVE_LISTEN="")
        host, got = bare.get("/api/server")["listen"].split(":")
        assert host == "127.0.0.1" and port < int(got) <= port + 100
        bare.run("server", "stop")
        config.write_text(json.dumps({"deployment": {**block, "auto_discover_port": False}}))
        assert str(port) in bare.run("server", "--config", config, code=5, REEVE_LISTEN="").stderr


def test_a_missing_directory_is_said(bare):
    bare.data.mkdir()
    done = bare.run("server", "--agents-dir", bare.directory / "nowhere", code=4)
    assert "nowhere" in done.stderr


def test_server_killed_agents_adopted(bare, place):
    put(place, "one", served("one"))
    bare.start()
    bare.run("deploy", "one")
    before = until(bare, "one", status="running", health_status="healthy")
    bare.kill_server()
    bare.start()
    after = until(bare, "one", status="running", health_status="healthy")
    assert (after["pid"], after["port"]) == (before["pid"], before["port"])


def test_one_change_among_a_thousand(bare, place):
    for i in range(1000):
        put(place, f"a{i}", served(f"a{i}"))
    bare.start()
    assert len(agents(bare)) == 1000
    read, scans = metric(bare, "reeve_agent_files_read_total"), metric(bare, "reeve_agent_scans_total")
    took = []
    for i in range(20):
        checksum = bare.get(f"/agents/a{i}")["checksum"]
        put(place, f"a{i}", served(f"a{i}", f"# {i}\n"))
        start = time.monotonic()
        wait_until(lambda: bare.get(f"/agents/a{i}")["checksum"] != checksum, what="the change is seen")
        took.append(time.monotonic() - start)
    assert sorted(took)[10] < 0.05, took
    assert metric(bare, "reeve_agent_files_read_total") - read <= 60, "a file is read for its change, the others are not"
    assert metric(bare, "reeve_agent_scans_total") == scans


def test_lost_events(bare, place):
    """More events than the kernel keeps: one scan, which reads what changed and nothing else."""
    for i in range(20):
        put(place, f"a{i}", served(f"a{i}"))
    bare.start()
    read, scans = metric(bare, "reeve_agent_files_read_total"), metric(bare, "reeve_agent_scans_total")
    bare.server_process.send_signal(signal.SIGSTOP)
    for i in range(int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2):
        (place / "a0" / f"x{i % 2}").touch()
        (place / "a0" / f"x{i % 2}").unlink()
    put(place, "late", served("late"))
    put(place, "a1", served("other"))
    (place / "a2" / "agent.toml").unlink()
    bare.server_process.send_signal(signal.SIGCONT)
    until(bare, "late", status="discovered")
    until(bare, "other", status="discovered")
    assert not {"a1", "a2"} & agents(bare).keys()
    assert metric(bare, "reeve_agent_scans_total") == scans + 1
    assert metric(bare, "reeve_agent_files_read_total") == read + 2


def test_what_cannot_be_watched_is_polled(bare, place):
    """A link to a directory within: it is followed, and looked at every two seconds."""
    file = put(place, ".store/one", served("one"))
    (place / "link").symlink_to(".store/one")
    bare.start()
    until(bare, "one", status="discovered")
    file.write_text(served("changed"))
    until(bare, "changed", status="discovered")


def test_a_running_server_keeps_its_options(bare, place):
    bare.start()
    assert "restart it" in bare.run("server", "start", "--agents-dir", place, code=5).stderr
    bare.run("server", "start")


def test_storm(bare, place):
    """Ten thousand writes, renames, half-written and broken files: what the list shows in the end is what is there."""
    names = [f"s{i}" for i in range(40)]
    for name in names:
        put(place, name, served(name))
    put(place, "steady", served("steady"))
    bare.start()
    bare.run("deploy", "steady")
    pid = until(bare, "steady", status="running")["pid"]
    dice = random.Random(7)
    ticks = lambda: sum(map(int, pathlib.Path(f"/proc/{bare.server_process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    used, began = ticks(), time.monotonic()
    for i in range(10000):
        directory = place / dice.choice(names)
        directory.mkdir(exist_ok=True)
        file, kind = directory / "agent.toml", dice.randrange(6)
        if kind == 0:
            file.write_text(served(directory.name, f"# {i}\n"))
        elif kind == 1:
            file.write_text(served(directory.name)[: dice.randrange(40)])
        elif kind == 2:
            (directory / ".tmp").write_text(served(directory.name))
            (directory / ".tmp").replace(file)
        elif kind == 3:
            file.write_bytes(bytes(dice.randrange(256) for _ in range(50)))
        elif kind == 4 and file.exists():
            file.unlink()
        else:
            (place / "moving").exists() or directory.rename(place / "moving")
            (place / "moving").rename(directory) if not directory.exists() else None
    spent = (ticks() - used) / os.sysconf("SC_CLK_TCK")
    lasted = time.monotonic() - began
    for i, name in enumerate(names):
        put(place, name, served(name) if i % 2 else "[broken")
    wanted = {name: "discovered" if i % 2 else "invalid" for i, name in enumerate(names)}
    wait_until(lambda: {n: a["status"] for n, a in agents(bare).items() if n != "steady"} == wanted, what="the list shows what is there")
    assert spent <= max(0.25 * lasted, 0.5), f"{spent:.2f} s of processor time in {lasted:.2f} s"
    assert agents(bare)["steady"]["pid"] == pid
    assert bare.get("/healthz")["status"] == "ok"


def test_variables_of_a_job(bare):
    """Agent files that a job names know the caller's variables, the job's own, and names of secrets; the agent fills them in."""
    put(bare.directory, "a", '[agent]\nname = "a"\n[llm]\nprovider = "command"\ncommand = ["echo", "${MINE}", "${CALLERS}", "${KEY}", "${AGENT_ID}"]\n')
    job = 'job: {name: vars}\nagents:\n  - id: one\n    reeve: {agent: a/agent.toml}\n    environment: {MINE: mine, KEY: {secret: k}}\ntopology: {type: dynamic}\n'
    done = bare.run("validate", bare.job(job), code=3)
    assert "agent.toml:5:32: error: variable 'CALLERS'" in done.stderr + done.stdout
    bare.run("validate", bare.job(job), CALLERS="x")
    bare.start()
    (bare.directory / "key").write_text("hush")
    bare.run("secret", "set", "k", "--from-file", bare.directory / "key")
    bare.run("up", "-d", bare.job(job), CALLERS="its own")
    assert bare.run("prompt", "vars", "x").stdout.strip() == "mine its own hush one"


def noisy(place, script):
    """An agent whose brain writes to the stdout of the agent itself; what an agent says of itself goes to stderr."""
    brain = place.parent / "brain.sh"
    brain.write_text(f"{script} > /proc/$PPID/fd/1\ncat\n")
    put(place, "one", f'[agent]\nname = "Noisy"\n[llm]\nprovider = "command"\ncommand = ["sh", "{brain}"]\n')


def test_diagnostics_tell_the_streams_apart(bare, place):
    noisy(place, "echo to out")
    put(place, "two", served("Idle"))
    bare.start()
    bare.run("deploy", "Noisy")
    bare.run("prompt", "Noisy", "hello")
    found = wait_until(lambda: (d := bare.get("/agents/Noisy/diagnostics"))["stdout"] and d, what="the line is in the log")
    assert found["stdout"] == "to out\n" and "agent serves" in found["stderr"] and "to out" not in found["stderr"]
    bare.run("undeploy", "Noisy")
    found = bare.get("/agents/Noisy/diagnostics")
    assert found["stdout"] == "to out\n" and "agent stopped" in found["stderr"] and found["exit_code"] == 0
    found = bare.get("/agents/Idle/diagnostics")
    assert found["stdout"] == found["stderr"] == ""


def test_diagnostics_are_bounded_and_answered_without_a_node(bare, place):
    noisy(place, "yes ééééééé | head -c 100000 | tr -d '\\n'")
    bare.node = "process"
    bare.start()
    bare.run("deploy", "Noisy")
    bare.run("prompt", "Noisy", "hello")
    found = wait_until(lambda: len((d := bare.get("/agents/Noisy/diagnostics"))["stdout"].encode()) > 16000 and d, what="the text is in the log")
    assert len(found["stdout"].encode()) <= 16 * 1024 and set(found["stdout"]) <= set("é\n\ufffd")
    bare.run("undeploy", "Noisy")
    bare.kill_node()
    wait_until(lambda: bare.get("/agents/Noisy/diagnostics")["stdout"] == "", what="nothing can be read, and that is said")
