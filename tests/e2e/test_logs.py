"""What agents wrote: merged, of dead instances too, since when, how many, and as it comes."""
import datetime
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import BIN, alive, wait_until

TICK = "import sys, time\nfor n in range(1000):\n    print(sys.argv[1], n, flush=True)\n    time.sleep(0.05)"


def job(reeve, code="", agents=("a", "b")):
    script = reeve.directory / "agent.py"
    script.write_text(code or TICK)
    lines = "".join(f"  - {{id: {agent}, command: [/usr/bin/python3, -S, {script}, {agent}]}}\n" for agent in agents)
    return reeve.job(f'job: {{name: talk, version: "1", description: test}}\nagents:\n{lines}topology: {{type: dynamic}}\n')


def records(reeve, *args):
    return [json.loads(line) for line in reeve.run("logs", "-o", "json", *args).stdout.splitlines()]


@pytest.mark.asan
def test_merged_in_the_order_of_time(reeve):
    reeve.run("up", "-d", job(reeve))
    wait_until(lambda: len(records(reeve, "talk")) > 10, what="some lines")
    found = records(reeve, "talk")
    times = [record["time"] for record in found]
    assert times == sorted(times)
    assert {record["agent"] for record in found} == {"a", "b"}
    numbers = [int(record["text"].split()[1]) for record in found if record["agent"] == "a"]
    assert numbers == list(range(len(numbers))), "nothing is lost or twice"
    assert {record["agent"] for record in records(reeve, "talk", "b")} == {"b"}


def test_of_dead_instances_too(reeve):
    reeve.run("up", "-d", job(reeve))
    wait_until(lambda: len(records(reeve, "talk", "a")) > 2, what="some lines")
    reeve.run("down", "talk")
    after = records(reeve, "talk", "a")
    assert after and after[0]["text"] == "a 0"
    reeve.kill_server(signal.SIGTERM)
    reeve.start()
    assert records(reeve, "talk", "a") == after


def test_tail_and_since(reeve):
    reeve.run("up", "-d", job(reeve, "import sys, time\nfor n in range(50): print(sys.argv[1], n)\nsys.stdout.flush()\ntime.sleep(1000)", agents=("a",)))
    wait_until(lambda: len(records(reeve, "talk")) == 50, what="all lines")
    assert [record["text"] for record in records(reeve, "--tail", 3, "talk")] == ["a 47", "a 48", "a 49"]
    assert records(reeve, "--tail", 0, "talk") == []
    tomorrow = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert records(reeve, "--since", tomorrow, "talk") == []
    assert len(records(reeve, "--since", "1h", "talk")) == 50
    assert "option '--since'" in reeve.run("logs", "--since", "yesterday", "talk", code=2).stderr


@pytest.mark.asan
def test_follow_sees_a_successor_and_ends_with_ctrl_c(reeve):
    reeve.run("up", "-d", job(reeve, agents=("a",)))
    with subprocess.Popen([BIN, "--data-dir", reeve.data, "logs", "-f", "talk"], env=reeve.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as follow:
        try:
            assert follow.stdout.readline() == "a | a 0\n"
            pid = reeve.instances("talk")["a"]["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not alive(pid), what="the first attempt is gone")
            deadline = time.monotonic() + 20
            line = follow.stdout.readline()
            while line != "a | a 0\n" and time.monotonic() < deadline:
                line = follow.stdout.readline()
            assert line == "a | a 0\n", "the successor's first line comes through the same stream"
            follow.send_signal(signal.SIGINT)
            assert follow.wait(timeout=10) in (0, 130, -signal.SIGINT)
        finally:
            follow.kill()


def test_unknown_names(reeve):
    assert "no such deployment" in reeve.run("logs", "nobody", code=4).stderr
    reeve.run("up", "-d", job(reeve))
    assert reeve.run("logs", "talk", "nobody", code=None).returncode == 4


PROMPTER = """import os, sys, time
os.write(1, b'whole\\nyour name? ')
while not os.path.exists(sys.argv[0] + '.go'): time.sleep(0.01)
os.write(1, b'Ann\\nlast words')"""


@pytest.mark.asan
def test_an_unfinished_line_is_seen_and_completed_later(reeve):
    reeve.run("up", "-d", job(reeve, PROMPTER + "\ntime.sleep(1000)", agents=("a",)))
    wait_until(lambda: [r["text"] for r in records(reeve, "talk")] == ["whole", "your name? "], what="the prompt is seen while it waits")
    assert [r["partial"] for r in records(reeve, "talk")] == [False, True]
    assert reeve.run("logs", "talk").stdout == "a | whole\na | your name? \n"
    (reeve.directory / "agent.py.go").touch()
    wait_until(lambda: "last words" in reeve.run("logs", "talk").stdout, what="the rest")
    assert reeve.run("logs", "talk").stdout == "a | whole\na | your name? Ann\na | last words\n"


def test_an_unfinished_line_is_not_joined_with_the_next_attempts(reeve):
    text = job(reeve, "import os, time\nos.write(1, b'half')\ntime.sleep(0.3)", agents=("a",)).read_text()
    reeve.run("up", "-d", reeve.job(text.replace("agent.py, a]", "agent.py, a], kind: service, restart: {policy: always, max: 2, delay: 0}")), code=None)
    wait_until(lambda: reeve.run("logs", "talk").stdout == "a | half\n" * 3, what="three attempts, a line each")


def foreground(reeve, *args):
    return subprocess.Popen([BIN, "--data-dir", reeve.data, "up", *map(str, args)], env=reeve.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def said(process, everything=False):
    """The next line of an agent, or all that are left; `up` prints its table first."""
    lines = (line.rstrip("\n") for line in process.stdout if line.startswith("a |"))
    return list(lines) if everything else next(lines, None)


def test_up_prints_what_this_up_brought(reeve):
    """Not what former processes wrote, or those that run already; the last words too."""
    code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('saved', flush=True), sys.exit()))\nprint(sys.argv[2], flush=True)\nwhile True: time.sleep(1)"
    text = job(reeve, code, agents=("a",)).read_text()

    def path(word):
        return reeve.job(text.replace("agent.py, a]", f"agent.py, a, {word}]"))

    for word in ("one", "two"):
        with foreground(reeve, path(word)) as process:
            assert said(process) == f"a | {word}"
            process.send_signal(signal.SIGINT)
            assert said(process, True) == ["a | saved"]
    assert reeve.run("logs", "talk").stdout.count("one") == 1, "the old words are still there for who asks"
    reeve.run("up", "-d", path("two"))
    with foreground(reeve, path("two")) as process:  # nothing changes
        pid = reeve.instances("talk")["a"]["pid"]
        wait_until(lambda: b'reeve_http_requests_total{method="GET",route="/api/deployments/{name}/logs",status="200"} 6' in reeve.request("GET", "/metrics")[1], what="it follows the logs")
        os.kill(pid, signal.SIGKILL)
        assert said(process) == "a | two", "the successor's first line, and no older one"
        process.send_signal(signal.SIGINT)
        assert said(process, True) == ["a | saved"]


def test_up_of_agents_that_are_done_at_once(reeve):
    many = "import time\nfor n in range(2000): print(n)\nprint(flush=True)\ntime.sleep(0.2)\nprint('end')"
    text = job(reeve, many).read_text().replace("{id:", "{kind: batch, id:")
    for again in (False, True):
        with foreground(reeve, reeve.job(text)) as process:
            lines = process.stdout.read().splitlines()
            assert process.wait(timeout=20) == 0
        if again:
            assert not [line for line in lines if "|" in line], "what is done is not run again, and `up` does not wait for it"
            return
        for agent in ("a", "b"):
            assert [line for line in lines if line.startswith(f"{agent} |")] == [f"{agent} | {n}" for n in range(2000)] + [f"{agent} | ", f"{agent} | end"]
