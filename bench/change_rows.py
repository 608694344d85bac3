"""Rows of the bench about changing and watching what runs."""
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time

from common import BENCH, REEVE, Reeve, Starts, sleepers_job, wait_until
from rows import Row, reeve_server

UPDATED, AT_ONCE, STAYS_UP_S = 50, 5, 0.050


def bare_roll(starts, stays_up_s):
    """The same stops and starts without anybody who supervises, 5 at a time, each batch up for @stays_up_s before the next: Reeve calls an agent without port healthy
    when it has been up for 50 ms, and with min_healthy 0 goes on then."""
    spawn = lambda: os.posix_spawn(BENCH / "bench_child", ["bench_child"], {**os.environ, "BENCH_SOCKET": starts.path})
    pids = [spawn() for _ in range(UPDATED)]
    starts.take(UPDATED)
    begin = time.monotonic()
    for first in range(0, UPDATED, AT_ONCE):
        batch = pids[first:first + AT_ONCE]
        for pid in batch:
            os.kill(pid, signal.SIGTERM)
        for pid in batch:
            os.waitpid(pid, 0)
        pids[first:first + AT_ONCE] = [spawn() for _ in batch]
        starts.take(AT_ONCE)
        time.sleep(stays_up_s)
    took = time.monotonic() - begin
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return took


def roll_job(mark, starts):
    text = sleepers_job(UPDATED, extra=f", environment: {{MARK: '{mark}'}}", environment={"BENCH_SOCKET": starts.path})
    return text.replace("deployment: {timeout: 120,", f"deployment: {{timeout: 120, update: {{max_unavailable: {AT_ONCE}, max_surge: 0}},")


def run_update(_round):
    with tempfile.TemporaryDirectory() as directory:
        starts = Starts(directory)
        bare, ungated = bare_roll(starts, STAYS_UP_S), bare_roll(starts, 0)
        with reeve_server() as server:
            server.run("up", "-d", server.job(roll_job(1, starts)))
            starts.take(UPDATED)
            job = server.job(roll_job(2, starts))
            begin = time.monotonic()
            server.run("up", "-q", "-d", job)
            ours = time.monotonic() - begin
            starts.take(UPDATED)
    return {"reeve": ours * 1000, "bare, up for the same 50 ms": bare * 1000, "bare, not gated": ungated * 1000}


def run_again(_round):
    """`up -d` of a job of 100 agents that runs already."""
    with reeve_server() as server:
        job = server.job(sleepers_job(100))
        server.run("up", "-d", job)
        begin = time.monotonic()
        server.run("up", "-d", job)
        return {"reeve": (time.monotonic() - begin) * 1000}


def stream_cpu(program, streams, rate, seconds):
    """CPU seconds of @program while it tells @streams readers @rate events a second."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/s"
        server = subprocess.Popen([program, path, str(streams), str(rate), str(seconds)], stdout=subprocess.PIPE, text=True, preexec_fn=raised)
        wait_until(lambda: os.path.exists(path), 10, "it listens")
        readers = subprocess.Popen([BENCH / "bench_readers", path, str(streams)], stdout=subprocess.PIPE, text=True)
        cpu, dropped = server.communicate(timeout=seconds + 60)[0].split()
        readers.communicate(timeout=60)
    return float(cpu), int(dropped)


def run_events(_round):
    ours, dropped = stream_cpu(BENCH / "bench_events", 1000, 1000, 3)
    theirs, _ = stream_cpu(BENCH / "bench_evhttp_events", 1000, 1000, 3)
    return {"reeve": ours, "evhttp, same bytes": theirs, "reeve, readers dropped": dropped}


def run_directory(_round):
    """One of 1,000 agent files changes: until `reeve agents` has its new words."""
    with tempfile.TemporaryDirectory() as directory:
        agents = pathlib.Path(directory) / "agents"
        for i in range(1000):
            (agents / f"a{i}").mkdir(parents=True)
            (agents / f"a{i}" / "agent.toml").write_text(f'[agent]\nname = "a{i}"\nversion = "1"\n[llm]\ncommand = ["cat"]\n')
        server = Reeve()
        process = subprocess.Popen([REEVE, "--data-dir", f"{server.directory}/data", "server", "--agents-dir", agents, "--listen", "none"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: os.path.exists(server.socket) and server.get("/agents").count(b'"name"') >= 1000, 20, "all are found")
            begin = time.monotonic()
            (agents / "a500" / "agent.toml").write_text("broken =")
            wait_until(lambda: b"invalid" in server.get("/agents/a500"), 10, "the change is seen")
            return {"reeve": (time.monotonic() - begin) * 1000}
        finally:
            server.run("server", "stop", check=False)
            process.wait(timeout=20)
            server.close()


ROWS = [
    Row("update", "rolling update of 50 portless agents, 5 at a time, min_healthy 0", "ms", "<= 1.5 x bare", run_update),
    Row("again", "up again with nothing changed, 100 agents, min_healthy 0", "ms", "<= 50 ms in all, nothing restarted", run_again),
    Row("events", "1,000 event streams open, 1,000 events/s, 3 s", "CPU seconds", "<= 2 x evhttp", run_events, 3),
    Row("directory", "agents directory of 1,000, one file changed", "ms", "seen in <= 50 ms", run_directory),
]
