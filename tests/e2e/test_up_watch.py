"""reeve up --watch: what the files say is deployed again when they change."""
import contextlib
import pathlib
import signal
import subprocess

import pytest
from conftest import BIN, alive, wait_until

JOB = """job:
  name: watched
agents:
  - id: a
    command: [sleep, "{0}"]
    env_file: a.env
  - id: served
    reeve: {{agent: served.toml}}
topology: {{type: dynamic}}
"""
AGENT = '[agent]\nname = "served"\nversion = "{0}"\n[llm]\nprovider = "command"\ncommand = ["cat"]\n'


class Watching:
    def __init__(self, reeve, path):
        self.said = reeve.directory / "up.out"
        with open(self.said, "wb") as out:
            self.process = subprocess.Popen([BIN, "--data-dir", reeve.data, "up", "--watch", path], env=reeve.environment, stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL)

    def until(self, text, times=1):
        wait_until(lambda: self.said.read_text().count(text) >= times, what=f"{times} x '{text}'")

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


@pytest.fixture
def watching(bare):
    (bare.directory / "a.env").write_text("WORD=one\n")
    (bare.directory / "served.toml").write_text(AGENT.format(1))
    one = Watching(bare, bare.job(JOB.format(1000)))
    one.until("waiting for changes")
    yield one
    one.close()


def command_line(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def revision(reeve):
    return reeve.deployment("watched")["revision"]


@pytest.mark.asan
def test_each_file_counts(bare, watching):
    before = bare.instances("watched")
    bare.job(JOB.format(2000))
    wait_until(lambda: revision(bare) == 2, what="the job file counts")
    watching.until("waiting for changes", 2)
    after = bare.instances("watched")
    assert after["a"]["pid"] != before["a"]["pid"] and after["served"]["pid"] == before["served"]["pid"]
    (bare.directory / "new.env").write_text("WORD=two\n")
    (bare.directory / "new.env").replace(bare.directory / "a.env")
    wait_until(lambda: revision(bare) == 3, what="the env file counts")
    watching.until("waiting for changes", 3)
    (bare.directory / "served.toml").write_text(AGENT.format(2))
    wait_until(lambda: revision(bare) == 4, what="the agent file counts")
    watching.until("waiting for changes", 4)
    assert bare.instances("watched")["served"]["pid"] != after["served"]["pid"]
    (bare.directory / "other.txt").write_text("nobody names it")
    bare.job(JOB.format(2000))
    watching.until("is up to date; nothing to change")
    assert revision(bare) == 4
    watching.process.send_signal(signal.SIGINT)
    assert watching.process.wait(timeout=30) == 0
    assert bare.deployment("watched")["status"] == "stopped"


def test_a_broken_file_changes_nothing(bare, watching):
    pids = {name: instance["pid"] for name, instance in bare.instances("watched").items()}
    bare.job(JOB.format(1) + "  nonsense")
    watching.until("nothing was changed")
    (bare.directory / "job.yaml").unlink()
    watching.until("No such file")
    bare.job(JOB.format(1000).replace("name: watched", "name: other"))
    watching.until("called 'other' now")
    assert {name: instance["pid"] for name, instance in bare.instances("watched").items()} == pids
    assert all(alive(pid) for pid in pids.values()) and revision(bare) == 1
    bare.job(JOB.format(3000))
    wait_until(lambda: revision(bare) == 2, what="the mended file counts")


def test_a_failure_is_waited_out(bare, watching):
    """A change that cannot come up goes back; the next one counts again. Changes while a rollout runs are not lost."""
    bare.job(JOB.format("no number"))
    watching.until("waiting for changes", 2)
    assert revision(bare) == 1
    bare.job(JOB.format(4000).replace("    env_file", "    health: {exec: [sleep, '1']}\n    env_file"))
    wait_until(lambda: b"4000" in command_line(bare.instances("watched")["a"]["pid"]), what="the rollout runs")
    bare.job(JOB.format(5000))
    wait_until(lambda: b"5000" in command_line(bare.instances("watched")["a"]["pid"]), what="the last word counts", seconds=30)


def test_a_link_on_the_way_is_turned(bare):
    """As releases are switched: `current` is another directory now, no file was touched."""
    for release, seconds in (("v1", 1000), ("v2", 2000), ("v3", 3000)):
        (bare.directory / release).mkdir()
        (bare.directory / release / "a.env").write_text("WORD=one\n")
        (bare.directory / release / "served.toml").write_text(AGENT.format(1))
        (bare.directory / release / "job.yaml").write_text(JOB.format(seconds))
    (bare.directory / "current").symlink_to("v1")
    (bare.directory / "live").symlink_to("current")
    one = Watching(bare, bare.directory / "live" / "job.yaml")
    try:
        one.until("waiting for changes")
        for number, release in enumerate(("v2", "v3"), 2):
            (bare.directory / "next").symlink_to(release)
            (bare.directory / "next").replace(bare.directory / "current")
            wait_until(lambda number=number: revision(bare) == number, what=f"{release} is seen")
            one.until("waiting for changes", number)
    finally:
        one.close()


def test_refusals(bare):
    path = bare.job(JOB.format(1))
    bare.run("up", "--watch", "-d", path, code=2)
    bare.run("up", "--watch", "--dry-run", path, code=2)
    assert "--plan" in bare.run("up", "--watch", "--plan", "x", path, code=2).stderr
