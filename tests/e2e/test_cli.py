"""What the command line says to people: no more than has happened, in columns that fit, and with the next step where something is wrong."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import urllib.request

import pytest
from conftest import BIN, wait_until

NOBODY = 65534
DESK = """
job: {name: desk}
agents:
  - {id: web, command: [sleep, "1000"], replicas: 2, environment: {COLOR: red}}
  - {id: db, command: [sleep, "1000"]}
topology: {type: pipeline, stages: [[web], [db]]}
"""
BROKEN = """
job: {name: broken}
agents:
  - {id: dies, command: [sh, -c, "echo first line; echo 'second, which is so long that no narrow terminal would ever show it whole'; exit 3"]}
topology: {type: dynamic}
deployment: {on_failure: keep, health_check: {min_healthy: 20}}
"""


@pytest.fixture
def reeve(bare):
    """What is looked at here is the same whatever node there is."""
    return bare


@pytest.fixture
def desk(reeve):
    reeve.start()
    reeve.run("-q", "up", "-d", reeve.job(DESK))
    return reeve


def terminal(reeve, columns, *args):
    """What a command prints on a terminal of @columns, without colours."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen([BIN, "--data-dir", reeve.data, *args], env=reeve.environment, stdin=side, stdout=side, stderr=side)
    os.close(side)
    text = b""
    while True:
        try:
            text += os.read(main, 65536)
        except OSError:
            break
    os.close(main)
    process.wait(timeout=10)
    return text.decode().replace("\r\n", "\n")


def test_progress_tells_what_happens_and_no_more(desk):
    told = desk.run("restart", "desk/db").stderr.splitlines()
    assert not [line for line in told if re.match(r"  (web|.* (pending|starting|stopped))", line)], told
    assert told[-1] == "desk/db is restarted"
    told = desk.run("scale", "desk", "web=3").stderr
    assert "web/2 started" in told and "web/1" not in told and "db" not in told
    desk.run("down", "desk")
    assert desk.run("down", "desk").stderr == "desk is stopped; its logs stay: reeve logs desk\n"


def test_a_failure_names_the_next_step(reeve):
    reeve.start()
    job = reeve.job(BROKEN)
    told = reeve.run("up", "-d", job, code=6).stderr
    assert "last output: first line\n    | second, which" in told and told.endswith("see: reeve why broken, reeve logs broken\n")
    again = reeve.run("up", "-d", job, code=None)
    assert again.returncode == 6 or again.stderr.endswith("not everything is well; see: reeve why broken\n")
    reeve.run("down", "broken")
    quiet = reeve.run("-q", "up", "-d", job, code=6).stderr
    assert quiet.startswith("broken: failed: ") and "see: " not in quiet
    status = reeve.run("status", "broken", code=14).stdout
    assert "\n           second, which" in status and ", failed: dies\n" in status


def test_tables_fit_the_terminal(reeve):
    reeve.start()
    reeve.run("up", "-d", reeve.job(BROKEN), code=6)
    for words in (("status",), ("history", "broken"), ("ps",)):
        for columns in (80, 120):
            lines = terminal(reeve, columns, *words).splitlines()
            assert lines and max(map(len, lines)) <= columns, lines
    assert "ever show it whole" in terminal(reeve, 80, "status", "-o", "wide")
    assert "ever show it whole" in reeve.run("status").stdout


def test_replicas_stand_together(desk):
    desk.run("-q", "scale", "desk", "web=3")
    column = [line.split()[1] for line in desk.run("ps").stdout.splitlines()]
    assert column == ["AGENT", "web/0", "web/1", "web/2", "db"]
    desk.run("-q", "scale", "desk", "web=1")
    assert "web/" not in desk.run("ps").stdout
    assert "web/2" in desk.run("ps", "-o", "wide").stdout
    desk.run("down", "desk")
    shown = desk.run("ps")
    assert "stopped" not in shown.stdout and "1 stopped deployment is not shown; see: reeve ps -a" in shown.stderr
    assert desk.run("ps", "-a").stdout.count("stopped  ") == desk.run("ps", "desk").stdout.count("stopped  ") == 2
    assert len(json.loads(desk.run("ps", "-o", "json").stdout)["deployments"]) == 1


@pytest.mark.parametrize("words, hint", [
    (("status", "dsk"), "no such deployment; did you mean 'desk'?"),
    (("restart", "nothing"), "no deployment 'nothing'; see: reeve ps"),
    (("logs", "desk", "wbe"), "desk has no agent 'wbe'; it has: web, db"),
    (("-o", "json", "logs", "desk/wbe"), "desk has no agent 'wbe'; it has: web, db"),
    (("diff", "job.yml"), "there is no file 'job.yml': find deployment 'job.yml': no such deployment"),
    (("schedules", "nothing"), "find deployment 'nothing': no such deployment; see: reeve ps"),
    (("backup", "/nowhere/file"), "there is no directory '/nowhere'"),
    (("up", "nothing.yaml"), "reeve up: open 'nothing.yaml': No such file or directory"),
])
def test_what_is_not_there(desk, words, hint):
    done = desk.run(*words, code=4)
    assert hint in done.stderr and not done.stdout


def test_words_of_an_agent(desk):
    assert desk.run("logs", "desk/db").returncode == 0
    assert "two agents" in desk.run("logs", "desk/db", "web", code=2).stderr
    assert "two agents" in desk.run("restart", "desk/db", "web", code=2).stderr
    (desk.directory / "desk").mkdir()
    done = subprocess.run([BIN, "--data-dir", desk.data, "diff", "desk"], cwd=desk.directory, env=desk.environment, capture_output=True, text=True, check=False)
    assert "not a regular file" not in done.stderr  # a directory of that name is no job


def test_empty_lists_say_so(reeve):
    reeve.start()
    for words in (("ps",), ("status",), ("secret", "list"), ("token", "list"), ("schedules",), ("audit", "nobody")):
        done = reeve.run(*words)
        assert done.stdout.count("\n") == 1 and done.stderr, words
        assert not reeve.run("-q", *words).stderr


def test_changes_as_data(desk):
    for words in (("scale", "desk", "web=1"), ("restart", "desk"), ("rollback", "desk"), ("down", "desk")):
        assert json.loads(desk.run("-o", "json", *words).stdout)["name"] == "desk", words


def test_a_plan_in_words(desk):
    job = desk.job(DESK.replace("replicas: 2", "replicas: 4").replace("COLOR: red", "COLOR: red"))
    done = desk.run("up", "--dry-run", job)
    assert re.search(r"^web +scale +2 -> 4$", done.stdout, re.M) and re.search(r"^db +keep +1$", done.stdout, re.M)
    plan = re.search(r"^plan_\w+$", done.stdout, re.M)[0]
    assert f"reeve up --plan {plan} {job} does exactly this" in done.stderr


def test_output_that_cannot_be_written(desk):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([BIN, "--data-dir", desk.data, "ps"], env=desk.environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "cannot write to standard output: " in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([BIN, "--data-dir", desk.data, "ps"], env=desk.environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 1 and not done.stderr


@pytest.mark.parametrize("after", ["while :; do echo line; sleep 0.01; done", "sleep 1000"])
@pytest.mark.parametrize("verb", ["logs", "exec"])
def test_what_nobody_reads_ends(desk, verb, after):
    """At once, also when nothing more is said that could not be written."""
    talks = f"echo line; {after}"
    talk = desk.job(f"job: {{name: talk}}\nagents: [{{id: a, command: [sh, -c, '{talks}']}}]\ntopology: {{type: dynamic}}\n", "talk.yaml")
    desk.run("-q", "up", "-d", talk)
    words = ("logs", "-f", "talk") if verb == "logs" else ("exec", "talk/a", "--", "sh", "-c", talks)
    process = subprocess.Popen([BIN, "--data-dir", desk.data, *words], env=desk.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == ("a | line\n" if verb == "logs" else "line\n")
    process.stdout.close()
    assert process.wait(timeout=10) == 1 and not process.stderr.read()


def test_words_of_other_tools_and_no_wrong_guess(desk):
    for word, way in (("stop", "reeve down NAME"), ("list", "reeve ps"), ("top", "reeve ps"), ("init", "examples/desk/job.yaml"), ("edit", "reeve up FILE")):
        told = desk.run(word, code=2).stderr
        assert told.startswith(f"reeve: there is no verb '{word}'; ") and way in told
    assert "did you mean 'status'" in desk.run("statsu", code=2).stderr
    assert "did you mean" not in desk.run("!ls", code=2).stderr
    assert "did you mean 'desk'" in desk.run("status", "dsk", code=4).stderr
    for verb in (("down", "--forget"), ("rollback",), ("cancel",)):
        told = desk.run(*verb, "dsk", code=4).stderr
        assert "did you mean" not in told and told.endswith("; see: reeve ps\n")
    assert desk.run("up", code=2).stderr == "reeve up: which file? usage: reeve up FILE\n"


WIDE = """
job: {name: shop-of-the-corner}
agents:
  - {id: front-desk, command: [sleep, "1000"]}
  - {id: nightly-report, kind: batch, command: ["true"], schedule: {cron: "30 6 * * *", timezone: Europe/Berlin}}
  - {id: flaky, restart: {policy: never}, command: [sh, -c, "while ! test -e GO; do sleep 0.05; done; exit 3"]}
topology: {type: dynamic}
"""


def test_tables_fit_the_terminal(desk):
    """At any width, and the reason of what is not well is always there."""
    go = desk.directory / "go"
    desk.run("-q", "up", "-d", desk.job(WIDE.replace("GO", str(go)), "wide.yaml"))
    go.touch()
    wait_until(lambda: desk.deployment("shop-of-the-corner")["status"] == "degraded", what="one has failed")
    desk.run("run", "shop-of-the-corner/nightly-report")
    for columns in (60, 80, 100):
        for words in (("ps",), ("status",), ("schedules",), ("history", "shop-of-the-corner"), ("audit",)):
            told = terminal(desk, columns, *words)
            assert all(len(line) <= columns for line in told.splitlines()), (columns, told)
        assert "exit status 3" in terminal(desk, columns, "ps")
        assert "flaky" in terminal(desk, columns, "status")
    assert " in " in desk.run("schedules").stdout and "ago" in desk.run("schedules").stdout
    assert re.search(r"\d{4}-\d\d-\d\dT", desk.run("schedules", "-o", "wide").stdout)


def test_monitor_names_replicas(desk):
    process = subprocess.Popen([BIN, "--data-dir", desk.data, "monitor", "desk"], env=desk.environment, stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline().split()[1] for _ in range(4)]
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    assert lines == ["desk", "desk/web/0", "desk/web/1", "desk/db"]


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's part")
def test_another_users_socket(desk):
    desk.directory.chmod(0o755)
    copy = desk.directory / "bin"
    copy.mkdir(mode=0o755)
    for name in ("reeve", "reeve-shim"):
        (copy / name).write_bytes((BIN.parent / name).read_bytes())
        (copy / name).chmod(0o755)
    done = subprocess.run([copy / "reeve", "--data-dir", desk.data, "ps"], env=desk.environment, capture_output=True, text=True, user=NOBODY, group=NOBODY,
                          extra_groups=[], check=False, cwd="/")
    assert done.returncode == 13 and "it is its owner's alone" in done.stderr and "server start" not in done.stderr


def test_a_started_server_has_the_options(reeve):
    reeve.environment.pop("REEVE_LISTEN")
    reeve.run("server", "start", "--listen", "127.0.0.1:0")
    try:
        listen = reeve.get("/api/server")["listen"]
        with urllib.request.urlopen(f"http://{listen}/healthz", timeout=10) as answer:
            assert answer.status == 200
        assert "was not started with these options" in reeve.run("server", "start", "--listen", "127.0.0.1:0", code=5).stderr
        assert re.search(r"^uptime: +\d+s$", reeve.run("server", "status").stdout, re.M)
    finally:
        reeve.run("server", "stop", "--down")


def test_stop_speaks_of_options(desk):
    told = desk.run("server", "stop", code=5).stderr
    assert "--keep leaves them running, --down stops them" in told and "mode" not in told


def test_exec_goes_to_the_server_that_is_meant(desk):
    assert desk.run("--server", "http://127.0.0.1:1", "exec", "desk/db", "--", "true", code=10).stderr.startswith("reeve exec: no server answers on 'http://127.0.0.1:1'")


def test_a_rollout_in_the_way(desk):
    """What the answer says can be done, can be done."""
    pids = {name: instance["pid"] for name, instance in desk.instances("desk").items()}
    job = desk.job(DESK.replace("COLOR: red}}", "COLOR: blue}, config: {port: auto}, health: {start_period: 60}}").replace("replicas: 2, ", ""))
    assert "no rollout is running" in desk.run("cancel", "desk", code=5).stderr
    assert desk.run("up", "-d", "--timeout", "1", job, code=9).stderr.endswith("the rollout goes on: reeve wait desk\n")
    assert f"see: reeve wait desk, reeve cancel desk, reeve up --replace {job}" in desk.run("up", "-d", job, code=5).stderr
    assert "see: reeve wait desk, reeve cancel desk" in desk.run("restart", "desk", code=5).stderr
    told = desk.run("cancel", "desk").stderr
    assert "cancelled by" in told and told.endswith("the rollout of desk is over; how it is now: reeve status desk\n")
    assert desk.deployment("desk")["revision"] == 1 and desk.instances("desk")["db"]["pid"] == pids["db"]


def test_events_that_nobody_reads_end(desk):
    process = subprocess.Popen([BIN, "--data-dir", desk.data, "events", "desk"], env=desk.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline())["event"] == "reset"
    process.stdout.close()
    assert process.wait(timeout=25) in (0, 1) and not process.stderr.read()


def test_a_stranger_is_told_where_the_token_goes(reeve):
    reeve.start(REEVE_LISTEN="127.0.0.1:0")
    url = f"http://{reeve.get('/api/server')['listen']}"
    done = reeve.run("--server", url, "ps", code=16, HOME=str(reeve.directory), XDG_CONFIG_HOME=str(reeve.directory))
    assert "put it into REEVE_TOKEN" in done.stderr


def test_an_agent_file_that_is_not_there(reeve):
    (reeve.directory / "agents").mkdir()
    reeve.server_args = ["--agents-dir", reeve.directory / "agents"]
    reeve.start()
    assert reeve.run("deploy", "Nobody", code=4).stderr.endswith("; see: reeve agents\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's agents run as root")
def test_root_is_warned_once(reeve):
    done = reeve.run("validate", reeve.job(DESK))
    assert done.stderr.count("\n") == 1 and "agent 'web' and 1 more will run as root" in done.stderr
    user = DESK.replace("replicas: 2", "replicas: 2, user: nobody")
    assert "agent 'db' will run as root" in reeve.run("validate", reeve.job(user)).stderr


DONE = """
job: {name: done}
agents: [{id: once, command: ["true"], kind: batch}, {id: stays, command: [sleep, "1000"]}]
topology: {type: pipeline, stages: [[once], [stays]]}
"""


def data(reeve, *args, **more):
    """What a verb says with -o json; a line that is no JSON is an error."""
    return json.loads(reeve.run("-o", "json", *args, **more).stdout)


def test_every_verb_speaks_json(reeve):
    """Those that only do something say what became of it, and of what."""
    socket = str(reeve.data / "control.sock")
    assert data(reeve, "server", "start") == {"name": socket, "outcome": "started"}
    assert data(reeve, "server", "start") == {"name": socket, "outcome": "running"}
    value = reeve.directory / "value"
    value.write_text("red\n")
    assert data(reeve, "secret", "set", "color", "--from-file", value) == {"name": "color", "outcome": "set"}
    assert data(reeve, "secret", "set", "color", "--from-file", value) == {"name": "color", "outcome": "changed"}
    assert data(reeve, "secret", "rm", "color") == {"name": "color", "outcome": "removed"}
    assert data(reeve, "token", "create", "t", "--role", "viewer")["token"]
    assert data(reeve, "token", "revoke", "t") == {"name": "t", "outcome": "revoked"}
    assert data(reeve, "up", "-d", reeve.job(DONE))["name"] == "done"
    waited = data(reeve, "wait", "done")
    assert waited["status"] == "running" and len(waited["instances"]) == 2
    for args in (("ps",), ("status",), ("status", "done"), ("history", "done"), ("schedules",), ("audit",), ("why", "done"), ("doctor",), ("version",),
                 ("secret", "list"), ("token", "list"), ("server", "status"), ("restart", "done"), ("scale", "done", "stays=2"), ("down", "done")):
        assert isinstance(data(reeve, *args), (dict, list)), args
    backup = data(reeve, "backup", reeve.directory / "backup")
    assert backup["file"] == str(reeve.directory / "backup") and backup["deployments"] == 1 and len(backup["database_sha256"]) == 64
    assert data(reeve, "server", "stop", "--down") == {"name": socket, "outcome": "stopped"}
    assert data(reeve, "server", "stop") == {"name": socket, "outcome": "absent"}
    restored = data(reeve, "restore", reeve.directory / "backup")
    assert restored["deployments"] == 1 and restored["term"] > 1 and restored["former"]
