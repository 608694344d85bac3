"""A storm over the real processes: server, shims, agents and clients are killed while deployments are changed, well and badly. What is looked at:
no slot ever has two processes, at the end each has one, with the reported pid, port and revision; nothing else of ours runs; no line is lost."""
import collections
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
import urllib.request

import counter
from conftest import BIN, wait_until


def wanted(deployment):
    """Its instances without extra slots of updates, which are kept for their logs, whatever they ended as."""
    return [instance for instance in deployment["instances"] if not instance["left_over"]]


class Storm:
    """@deployments x @agents of them run for @seconds under blows drawn from @seed."""

    def __init__(self, reeve, deployments, agents, seconds, seed, line_ms=500):
        self.reeve, self.seconds, self.line_ms, self.agents = reeve, seconds, line_ms, agents
        self.names = [f"d{number}" for number in range(deployments)]
        self.random = random.Random(seed)
        self.counter, self.counts = counter.build(reeve.directory)
        self.revision = collections.Counter()
        self.acknowledged = {}
        self.done = collections.Counter()
        self.doubles, self.shims_killed, self.seen = [], set(), {}
        self.over = threading.Event()
        self.server_lock = threading.Lock()

    def job(self, name, broken):
        self.revision[name] += 1
        revision = self.revision[name]
        lines = []
        for number in range(self.agents):
            bad = broken and number == revision % self.agents
            command = "[sh, -c, 'echo FIRST-LINE-OF-FAILURE; exit 3']" if bad else f"['{self.counter}', '{self.counts}', '{self.line_ms}']"
            port = ", config: {port: auto}, health: {tcp: true, min_healthy: 0}" if number % 2 else ", health: {min_healthy: 0.3}"
            lines.append(f"  - {{id: a{number}, command: {command}{port}, restart: {{policy: always, max: -1, delay: 0.1, max_delay: 1}}}}\n")
        return self.reeve.job(f"job: {{name: {name}, version: '{revision}'}}\nagents:\n{''.join(lines)}topology: {{type: dynamic}}\n"
                              f"environment: {{REV: '{revision}', STORM: '{self.counts}'}}\ndeployment: {{timeout: {30 if broken else 300}, update: {{max_unavailable: 5, max_surge: 3}}}}\n",
                              f"{name}-{revision}.yaml"), revision

    def reeve_call(self, *words, kill_after=None):
        process = subprocess.Popen([BIN, "--data-dir", self.reeve.data, "-q", *map(str, words)], env=self.reeve.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if kill_after is not None:
            try:
                process.wait(timeout=kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
                self.done["client killed"] += 1
        _, said = process.communicate(timeout=600)
        assert process.returncode != 1, said
        return process.returncode

    def processes(self):
        """(job, agent, replica) -> [(pid, start time)] of the agents of this storm that live."""
        found = collections.defaultdict(list)
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                key = (int(entry.name), int(words[19]))
                if words[0] in "ZX":
                    continue
                # Only who is an agent is remembered: what is seen between fork and exec has the environment of its shim, and the same pid and start time after it.
                if key not in self.seen and (entry / "comm").read_text().startswith("counter"):
                    mapped = dict(pair.partition("=")[::2] for pair in (entry / "environ").read_text(errors="replace").split("\0"))
                    if mapped.get("STORM") == str(self.counts):
                        self.seen[key] = (mapped["JOB_ID"], mapped["AGENT_ID"], mapped["REEVE_REPLICA"])
                if key in self.seen:
                    found[self.seen[key]].append(key)
            except (OSError, KeyError, IndexError):
                continue
        return found

    def watch(self):
        """Two processes of one slot in two samples one after the other are a double: one sample alone may have met the end of one and the start of the other."""
        former = {}
        while not self.over.wait(0.5):
            now = {slot: set(pids) for slot, pids in self.processes().items() if len(pids) > 1}
            self.doubles += [(slot, pids & former[slot]) for slot, pids in now.items() if slot in former and len(pids & former[slot]) > 1]
            former = now
            self.done["samples"] += 1

    def blow(self):
        """One blow: what, of whom and when are drawn."""
        kinds = {"up": 14, "up broken": 8, "restart": 6, "rollback": 5, "scale": 3, "cancel": 3, "client": 6, "kill agent": 14, "kill shim": 10, "kill server": 3}
        kind = self.random.choices(list(kinds), kinds.values())[0]
        name = self.random.choice(self.names)
        agent = f"a{self.random.randrange(self.agents)}"
        if kind in ("up", "up broken", "client"):
            job, revision = self.job(name, kind == "up broken")
            replace = ["--replace"] if self.random.random() < 0.5 else []
            code = self.reeve_call("up", "-d", *replace, job, kill_after=self.random.random() if kind == "client" else None)
            if code == 0:
                self.acknowledged[name] = revision
        elif kind in ("restart", "scale"):
            self.reeve_call(kind, name, agent if kind == "restart" else f"{agent}={self.random.randint(1, 3)}")
        elif kind in ("rollback", "cancel"):
            self.reeve_call(kind, name)
        elif kind == "kill server":
            with self.server_lock:
                self.kill_server()
                for _ in range(self.random.randrange(3)):  # nobody restarts these until the server is back
                    self.kill_one(self.random.choice(["kill agent", "kill shim"]))
                self.reeve.start()
        else:
            self.kill_one(kind)
        self.done[kind] += 1

    def kill_server(self):
        """Whoever serves, and ours: an `up` that found no server may have started one of its own while ours was on its way."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.reeve.data / "lock").read_text()), signal.SIGKILL)
        self.reeve.kill_server()

    def kill_one(self, kind):
        """A shim, or a process of an agent; it may have ended by itself since somebody looked."""
        shims = self.reeve.shims() if kind == "kill shim" else {}
        living = [pid for pids in self.processes().values() for pid, _ in pids] if kind != "kill shim" else []
        instance = self.random.choice(sorted(shims)) if shims else None
        pid = shims[instance] if instance else self.random.choice(living) if living else None
        if instance:
            self.shims_killed.add(instance)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def worker(self, until):
        while time.monotonic() < until:
            try:
                self.blow()
            except BaseException as problem:
                self.problems.append(problem)
                return
            time.sleep(self.random.random() * 0.3)

    def run(self):
        self.problems = []
        for name in self.names:
            job, revision = self.job(name, broken=False)
            assert self.reeve_call("up", "-d", job) == 0
            self.acknowledged[name] = revision
        watcher = threading.Thread(target=self.watch)
        watcher.start()
        try:
            self.blow_for(self.seconds)
            for name in self.names:  # the last word of each is a good one
                job, revision = self.job(name, broken=False)
                wait_until(lambda: self.reeve_call("up", "-d", "--replace", job) == 0, 600, f"the last up of {name}")
                self.acknowledged[name] = revision
            self.settle()
        finally:
            self.over.set()
            watcher.join()
        self.check_slots()
        lost = self.check_lines()
        for name in self.names:
            assert self.reeve_call("down", name) == 0
        wait_until(lambda: not self.processes(), 30, "nothing is left after down")
        return lost

    def blow_for(self, seconds):
        until = time.monotonic() + seconds
        workers = [threading.Thread(target=self.worker, args=(until,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self.problems:
            raise self.problems[0]

    def settle(self):
        try:
            wait_until(lambda: not self.unsettled(), 300)
        except AssertionError:
            log = (self.reeve.directory / "server.out").read_text(errors="replace")
            raise AssertionError(f"not everything runs within 300 s: {self.unsettled()}\n{log[-4000:]}") from None

    def unsettled(self):
        """What does not run yet. Between two steps of an update all may run for a moment, so the update has to be over as well."""
        found = []
        for name in self.names:
            deployment = self.reeve.deployment(name)
            if deployment["rollout"]["outcome"] == "open":
                found.append(deployment["rollout"])
            found += [instance for instance in wanted(deployment) if instance["state"] != "running"]
        return found

    def check_slots(self):
        assert not self.doubles, self.doubles[:5]
        running = self.processes()
        expected = set()
        for name in self.names:
            for instance in wanted(self.reeve.deployment(name)):
                slot = (name, instance["agent"], str(instance["replica"]))
                expected.add(slot)
                assert [pid for pid, _ in running[slot]] == [instance["pid"]], f"{slot}: {running[slot]} run, {instance['pid']} is reported: {instance}"
                environment = pathlib.Path(f"/proc/{instance['pid']}/environ").read_text().split("\0")
                assert f"REV={self.acknowledged[name]}" in environment, slot
                if instance.get("port"):
                    with urllib.request.urlopen(f"http://127.0.0.1:{instance['port']}/", timeout=10) as answer:
                        assert answer.read().decode() == str(self.acknowledged[name])
        assert set(running) == expected, f"orphans: {set(running) - expected}"

    def check_lines(self):
        """Every line that an agent has written is in the logs, except what lay in the pipe of a shim that was killed; slots whose directory retention has
        removed have no logs any more, so only instances that are still known are looked at. Returns (processes, lines, lost by killed shims)."""
        # Counted first: those that live go on writing.
        counted = counter.written(self.counts)
        found = counter.logged(self.reeve, self.names)
        processes = lines = lost = 0
        missing = {}
        for name, written in counted.items():
            job, agent, replica, who = name.split("~")
            if int(replica) > 0 and who not in found:
                continue  # an extra slot of an update that retention has removed since
            processes += 1
            lines += written
            gone = set(range(1, written + 1)) - found[who]
            if gone:
                missing[name] = sorted(gone)
                lost += len(gone)
        # Output that a killed shim had not read yet dies with its pipe: the last lines of a process, never any before them.
        unexplained = {name: gone for name, gone in missing.items() if gone != list(range(gone[0], gone[-1] + 1)) or len(gone) > 3}
        assert not unexplained, dict(list(unexplained.items())[:5])
        assert len(missing) <= self.done["kill shim"] + 2 * self.done["kill server"], (len(missing), self.done)
        return processes, lines, lost
