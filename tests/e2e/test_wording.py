"""What people read says what is, and what helps: words of refusals and of tables, one thing and several things."""
import os
import pwd
import re
import signal
import subprocess

import pytest
from conftest import BIN, wait_until

DESK = """
job: {name: desk}
deployment: {health_check: {enabled: false}}
agents:
  - {id: a, command: [sleep, "1000"]}
  - {id: nightly, kind: batch, command: [sleep, "1000"], schedule: {every: 3600, overlap: queue}}
topology: {type: dynamic}
"""
LONE = "job: {name: lone}\nagents: [{id: a, command: [sleep, '1000']}]\n"
BROKEN = "job: {name: desk}\nagents: [{id: a, command: [sleep, '1000'], replicas: 0, kind: nothing}]\n"


def last_line(done):
    return done.stderr.splitlines()[-1]


def cells(text, row):
    """The cells of the row whose first cell is @row, by their headings."""
    lines = text.splitlines()
    starts = [match.start() for match in re.finditer(r"\S+( \S+)*", lines[0])]
    line = next(line for line in lines if line.startswith(row + " "))
    return {lines[0][at:].split("  ")[0].strip(): line[at:].split("  ")[0].strip() for at in starts}


def test_what_is_refused_says_what_helps(reeve):
    job = reeve.job(DESK)
    reeve.run("up", "-d", job)
    assert last_line(reeve.run("up", "-d", job)) == "desk is up to date; nothing to change"
    assert last_line(reeve.run("diff", "desk", code=4)) == "reeve diff: deployment 'desk' has one revision only: there is nothing to compare it with"
    reeve.run("up", "-d", reeve.job(DESK.replace('"1000"', '"1001"')))
    assert last_line(reeve.run("diff", "desk", "--to", "1", code=4)).endswith("revision 1 of deployment 'desk' is its first: there is nothing before it to compare with")
    reeve.run("down", "desk")
    for verb in (("restart", "desk"), ("scale", "desk", "a=2")):
        assert last_line(reeve.run(*verb, code=5)) == f"reeve {verb[0]}: deployment 'desk' is stopped; start it: reeve up {job}"
    assert "the agent is stopped; exec needs one that runs" in reeve.run("exec", "desk/a", "--", "true", code=10).stderr
    assert last_line(reeve.run("up", reeve.job(BROKEN, "broken.yaml"), code=3)).endswith("broken.yaml: 2 errors; nothing was changed")
    for verb in ("validate", "plan", "diff"):
        assert last_line(reeve.run(verb, reeve.directory / "broken.yaml", code=3)) == f"reeve {verb}: {reeve.directory}/broken.yaml: 2 errors"


def test_one_is_not_several(bare):
    lone = bare.job(LONE)
    assert "valid: job 'lone', 1 agent, " in bare.run("validate", lone).stdout
    assert bare.run("plan", lone).stderr.splitlines()[0] == "lone: 1 agent in 1 stage"


def test_a_rollout_under_way_names_its_deployment(reeve):
    slow = reeve.job(LONE.replace("'1000']", "'1000'], config: {port: auto}, health: {start_period: 60}"), "slow.yaml")
    told = reeve.run("up", "-d", "--timeout", "0.5", slow, code=9).stderr
    assert "the rollout goes on: reeve wait lone" in told
    told = last_line(reeve.run("up", "-d", slow, code=5))
    assert re.fullmatch(r"reeve up: deployment 'lone': its deploy is under way; wait for it, cancel it, or replace it \(rollout rol_\w+\); "
                        rf"see: reeve wait lone, reeve cancel lone, reeve up --replace {slow}", told), told
    assert last_line(reeve.run("restart", "lone", code=5)).endswith("see: reeve wait lone, reeve cancel lone")
    who = pwd.getpwuid(os.getuid()).pw_name
    assert f"lone: cancelled by {who}\n" in reeve.run("cancel", "lone", code=None).stderr
    told = reeve.run("why", "lone", code=None).stdout + reeve.run("history", "lone").stdout + reeve.run("status", "lone", code=None).stdout
    assert f"cancelled by {who}" in told and "uid:" not in told


def test_who_waits_for_a_restart_that_lasts(reeve):
    reeve.run("up", "-d", reeve.job("job: {name: lone}\nagents: [{id: a, command: [sh, -c, 'trap : TERM; while :; do sleep 0.1; done'], stop: {grace_period: 20}}]\n"))
    assert last_line(reeve.run("restart", "lone", "--timeout", "0.5", code=9)) == "reeve restart: lone: the rollout goes on after 0.5 s; see: reeve wait lone"


def test_a_scheduled_agent_rests(reeve):
    monitor = subprocess.Popen([BIN, "--data-dir", reeve.data, "monitor"], env=reeve.environment, stdout=subprocess.PIPE, text=True)
    reeve.run("up", "-d", reeve.job(DESK))
    for text in (reeve.run("ps", "desk").stdout, reeve.run("status", "desk").stdout.split("\n\n")[1]):
        row = cells(text.replace("desk  ", ""), "nightly") if text.startswith("AGENT") else cells("\n".join(line.split(None, 1)[1] for line in text.splitlines()), "nightly")
        assert row["STATE"] == "scheduled" and row["HEALTH"] == "-", text
    assert "nightly is scheduled" in reeve.run("why", "desk/nightly").stdout
    told = last_line(reeve.run("run", "desk/nightly", "--timeout", "0.5", code=9))
    assert re.fullmatch(r"reeve run: run srn_\w+ still goes after 0.5 s; see: reeve schedules desk, reeve logs desk/nightly", told), told
    wait_until(lambda: reeve.instances("desk")["nightly"]["state"] == "running", what="it runs")
    assert "the next one waits for its end" in reeve.run("run", "desk/nightly").stderr
    assert re.search(r"^desk +nightly +every 3600 s +waits, due \S+ ago ", reeve.run("schedules").stdout, re.MULTILINE)
    reeve.run("down", "desk")
    row = cells(reeve.run("status", "desk").stdout.split("\n\n")[1], "a")
    assert row["STATE"] == "stopped" and row["HEALTH"] == "-"
    monitor.send_signal(signal.SIGINT)
    told = monitor.communicate(timeout=20)[0]
    assert "desk/nightly  scheduled" in told and "desk/a  stopped: stopped by request" in told and "signal 15" not in told, told


@pytest.mark.skipif(os.geteuid() != 0, reason="the words are those for root")
def test_root_is_not_told_to_be_root(bare):
    script = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"'
    told = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", BIN, "--data-dir", bare.data, "doctor"], env=bare.environment, capture_output=True, text=True,
                          timeout=60, check=False).stdout
    assert "no writable cgroup: limits of memory, cpu, pids are not enforced; usual in a container" in told and "as root, or" not in told
