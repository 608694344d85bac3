"""The rows of the bench: each measures Reeve and its references once per round."""
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import typing

import common
from common import BENCH, BUILD, REEVE, ROOT, Reeve, Starts, cpu_seconds, end, memory_kib, named, scratch, sleepers_job, wait_until

COUNT = 300


@dataclasses.dataclass
class Row:
    name: str
    title: str
    unit: str
    goal: str
    run: typing.Callable  # round number -> {"reeve": value, reference: value, ...}
    rounds_max: int = 5


@contextlib.contextmanager
def reeve_server():
    server = Reeve()
    try:
        yield server.start()
    finally:
        server.close()


@contextlib.contextmanager
def runit(directory, count, run_text, log=False):
    """A runsvdir over @count services; run_text is the run script of each."""
    services = pathlib.Path(directory) / "services"
    hidden = pathlib.Path(directory) / "hidden"
    hidden.mkdir()
    for i in range(count):
        service = hidden / f"s{i}"
        service.mkdir()
        (service / "run").write_text(run_text)
        (service / "run").chmod(0o755)
        if log:
            (service / "log" / "main").mkdir(parents=True)
            (service / "log" / "run").write_text("#!/bin/sh\nexec svlogd -tt ./main\n")
            (service / "log" / "run").chmod(0o755)
    services.mkdir()
    process = subprocess.Popen(["runsvdir", str(services)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for i in range(count):
            (services / f"s{i}").symlink_to(hidden / f"s{i}")
        yield process
    finally:
        process.send_signal(signal.SIGHUP)
        process.wait(timeout=30)
        wait_until(lambda: not named("runsv"), 30, "runit ends")


def start_spawn(directory, starts):
    process = subprocess.Popen([BENCH / "bench_spawn_ref", str(COUNT), BENCH / "bench_child"], env={**os.environ, "BENCH_SOCKET": starts.path})
    return process


def run_start(_round):
    """From command to the last of 300 having started, by the children's own report."""
    result = {}
    directory = scratch()
    starts = Starts(directory)
    begin = time.monotonic()
    process = start_spawn(directory, starts)
    result["bare posix_spawn"] = max(at for _, at in starts.take(COUNT)) - begin
    end(process)
    with reeve_server() as server:
        job = server.job(sleepers_job(COUNT, environment={"BENCH_SOCKET": starts.path}))
        begin = time.monotonic()
        up = subprocess.Popen([REEVE, "--data-dir", f"{server.directory}/data", "up", "-d", job], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        result["reeve"] = max(at for _, at in starts.take(COUNT)) - begin
        up.wait(timeout=60)
        result["reeve, up returned"] = time.monotonic() - begin
    begin = time.monotonic()
    with runit(directory, COUNT, f"#!/bin/sh\nBENCH_SOCKET={starts.path} exec {BENCH}/bench_child\n"):
        result["runit"] = max(at for _, at in starts.take(COUNT)) - begin
    return {key: value * 1000 for key, value in result.items()}


def kill_and_wait(starts, pids, kills):
    """Kills children one after the other; ms from kill to the successor's own start report."""
    delays, alive = [], list(pids)
    for i in range(kills):
        victim = alive.pop(0)
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        pid, at = starts.take(1)[0]
        delays.append((at - begin) * 1000)
        alive.append(pid)
    delays.sort()
    return delays


def run_restart(_round):
    """kill -9 to the successor's start, delay 0, 100 kills over 100 children each round."""
    result, count, kills = {}, 100, 60
    directory = scratch()
    starts = Starts(directory)
    process = subprocess.Popen([BENCH / "bench_spawn_ref", str(count), BENCH / "bench_child"], env={**os.environ, "BENCH_SOCKET": starts.path})
    delays = kill_and_wait(starts, [pid for pid, _ in starts.take(count)], kills)
    result["bare pidfd, p50"], result["bare pidfd, p99"] = delays[kills // 2], delays[kills * 99 // 100]
    end(process)
    with reeve_server() as server:
        job = server.job(sleepers_job(count, extra=", restart: {policy: always, max: -1, delay: 0}", environment={"BENCH_SOCKET": starts.path}))
        server.run("up", "-d", job)
        delays = kill_and_wait(starts, [pid for pid, _ in starts.take(count)], kills)
        result["reeve"], result["reeve, p99"] = delays[kills // 2], delays[kills * 99 // 100]
    with runit(directory, count, f"#!/bin/sh\nBENCH_SOCKET={starts.path} exec {BENCH}/bench_child\n"):
        pids = [pid for pid, _ in starts.take(count)]
        time.sleep(1.5)  # runit restarts at once only what was up for over a second
        delays = kill_and_wait(starts, pids, kills)
        result["runit, p50"], result["runit, p99"] = delays[kills // 2], delays[kills * 99 // 100]
    return result


def run_memory(_round):
    """PSS of everything that supervises and logs 300 sleepers, the server's share included, per process."""
    result = {}
    directory = scratch()
    starts = Starts(directory)
    with reeve_server() as server:
        server.run("up", "-d", server.job(sleepers_job(COUNT, environment={"BENCH_SOCKET": starts.path})))
        starts.take(COUNT)
        shims = named("reeve-shim")
        result["reeve"] = memory_kib(shims | {server.pid()}) / COUNT
        result["reeve, shims only"] = memory_kib(shims) / COUNT
    with runit(directory, COUNT, f"#!/bin/sh\nBENCH_SOCKET={starts.path} exec {BENCH}/bench_child 2>&1\n", log=True) as process:
        starts.take(COUNT)
        wait_until(lambda: len(named("svlogd")) == COUNT, 30, "svlogd of every service")
        result["runsv + svlogd"] = memory_kib(named("runsv") | named("svlogd") | {process.pid}) / COUNT
    result["s6-supervise + s6-log"] = s6_memory(directory, starts)
    return result


def s6_memory(directory, starts):
    scan = pathlib.Path(directory) / "s6"
    for i in range(COUNT):
        for name, text in ((f"s{i}", f"#!/bin/sh\nBENCH_SOCKET={starts.path} exec {BENCH}/bench_child 2>&1\n"), (f"s{i}/log", "#!/bin/sh\nmkdir -p ./main; exec s6-log t ./main\n")):
            service = scan / name
            service.mkdir(parents=True)
            (service / "run").write_text(text)
            (service / "run").chmod(0o755)
    process = subprocess.Popen(["s6-svscan", "-c", "1000", str(scan)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        starts.take(COUNT)
        wait_until(lambda: len(named("s6-log")) == COUNT, 30, "s6-log of every service")
        return memory_kib(named("s6-supervise") | named("s6-log") | {process.pid}) / COUNT
    finally:
        subprocess.run(["s6-svscanctl", "-t", str(scan)], check=False)
        process.wait(timeout=60)


def run_idle_cpu(_round):
    """CPU of server and shims with 300 healthy agents, probed every 30 s, over 60 s, in % of a core."""
    with reeve_server() as server:
        lines = ["job: {name: bench, version: '1', description: bench}", "topology: {type: dynamic}", "deployment: {timeout: 120}", "agents:"]
        lines += [f"  - {{id: a{i}, command: [{BENCH}/bench_http_child], config: {{port: {20000 + i}}}, health: {{http: /health, interval: 30}}}}" for i in range(COUNT)]
        server.run("up", "-d", server.job("\n".join(lines) + "\n"))
        pids = named("reeve-shim") | {server.pid()}
        before, begin = cpu_seconds(pids), time.monotonic()
        time.sleep(60)
        return {"reeve": (cpu_seconds(pids) - before) / (time.monotonic() - begin) * 100}


def run_plan(_round):
    with tempfile.TemporaryDirectory() as directory:
        edges = f"{directory}/edges"
        ours = subprocess.run([BENCH / "bench_plan", "100000", "300000", "--edges", edges], capture_output=True, text=True, check=True).stdout.split()[0]
        half = subprocess.run([BENCH / "bench_plan", "50000", "150000"], capture_output=True, text=True, check=True).stdout.split()[0]
        script = ("import networkx, time\ng = networkx.DiGraph()\ng.add_nodes_from(range(100000))\n"
                  f"g.add_edges_from(tuple(map(int, line.split())) for line in open('{edges}'))\n"
                  "t = time.monotonic()\nlist(map(list, networkx.topological_generations(g)))\nprint((time.monotonic() - t) * 1000)\n")
        peer = subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True, check=True).stdout
    return {"reeve": float(ours), "reeve, half the size": float(half), "networkx": float(peer)}


def run_load(_round):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "job.yaml"
        lines = ["job: {name: big, version: '1', description: bench}", "topology: {type: dynamic}", "agents:"]
        for i in range(10000):
            lines += [f"  - id: a{i}", "    command: [/bin/true, --name, x]", f"    config: {{port: {10000 + i}, name: agent}}", "    deployment: {target: localhost, environment: {MODE: fast}}",
                      "    restart: {policy: always, max: 3}"]
        path.write_text("\n".join(lines) + "\n")
        out = subprocess.run([BENCH / "bench_load", path, "3"], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(float, line.split())) for line in out.splitlines()]
    return {"reeve": min(ours for ours, _ in pairs), "libfyaml parse": min(parse for _, parse in pairs)}


def run_http(_round):
    """GET of one deployment with 5 instances, keep-alive, 16 clients, 3 s each."""
    with reeve_server() as server:
        server.run("up", "-d", server.job(sleepers_job(5)))
        body = pathlib.Path(server.directory) / "body.json"
        body.write_bytes(server.get("/api/deployments/bench"))
        fixed = f"{server.directory}/fixed.sock"
        process = subprocess.Popen([BENCH / "bench_evhttp_fixed", fixed, body])
        wait_until(lambda: os.path.exists(fixed), 10, "the reference listens")
        load = lambda path: float(subprocess.run(["taskset", "-c", "1", BENCH / "bench_http_load", path, "/api/deployments/bench", "16", "3"], capture_output=True, text=True, check=True).stdout)
        result = {"reeve": load(server.socket), "evhttp, fixed bytes": load(fixed)}
        end(process)
    return result


def run_flood(_round):
    """An agent that prints 100 MB, from start to its end, MB/s."""
    with tempfile.TemporaryDirectory() as directory:
        begin = time.monotonic()
        with open(f"{directory}/out", "wb") as out:
            flood = subprocess.Popen([BENCH / "bench_flood", "100"], stdout=subprocess.PIPE)
            subprocess.run(["cat"], stdin=flood.stdout, stdout=out, check=True)
            flood.wait()
        bare = time.monotonic() - begin
    with reeve_server() as server:
        job = server.job("job: {name: flood, version: '1', description: bench}\ntopology: {type: dynamic}\n"
                         f"agents: [{{id: f, kind: batch, command: [{BENCH}/bench_flood, '100']}}]\n")
        begin = time.monotonic()
        server.run("up", "-d", job)
        ours = time.monotonic() - begin
    return {"reeve": 100 / ours, "agent | cat >file": 100 / bare}


def run_desk(_round):
    """`up -d` of examples/desk, server start included, beside its three agents started bare until healthy."""
    server = Reeve()
    try:
        begin = time.monotonic()
        server.run("up", "-d", str(ROOT / "examples/desk/job.yaml"))
        ours = time.monotonic() - begin
    finally:
        server.close()
    begin = time.monotonic()
    agents = [("news", 9001), ("stats", 9002), ("boss", 9000)]
    processes = []
    for name, port in agents:
        path = next((ROOT / "examples/desk").rglob(f"{name}.toml"))
        processes.append(subprocess.Popen([REEVE, "agent", "serve", "--port", str(port), "--agent", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for _, port in agents:
        wait_until(lambda: healthy(port), 20, f"agent on port {port}")
    bare = time.monotonic() - begin
    for process in processes:
        end(process)
    return {"reeve": ours * 1000, "bare": bare * 1000}


def healthy(port):
    import http.client
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False


def run_idle_memory(_round):
    """PSS of an idle server, and of its libraries merely initialised, in MB."""
    with reeve_server() as server:
        time.sleep(2)
        pid = server.pid()
        result = {"reeve": memory_kib({pid}) / 1024, "reeve, private dirty": memory_kib({pid}, "Private_Dirty:") / 1024}
        waits = lambda: int(next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("voluntary_ctxt")).split()[1])
        before = waits()
        time.sleep(20)
        result["reeve, wake-ups in 20 s"] = waits() - before
    process = subprocess.Popen([BENCH / "bench_idle_ref"], stdout=subprocess.PIPE)
    process.stdout.readline()
    result["libraries initialised"] = memory_kib({process.pid}) / 1024
    end(process, signal.SIGKILL)
    return result


def run_reload(_round):
    """A server with 100,000 stored instances: from exec to the first answer, beside a bare scan of the same rows."""
    with reeve_server() as server:
        server.run("up", "-d", server.job(sleepers_job(1)))
        server.run("down", "bench")
        server.run("server", "stop")
        database = next(pathlib.Path(f"{server.directory}/data").rglob("reeve.db"))
        fill_instances(database, 100000)
        scan = float(subprocess.run([BENCH / "bench_sqlite_scan", database], capture_output=True, text=True, check=True).stdout.split()[0])
        begin = time.monotonic()
        server.start()
        server.get("/healthz")
        took = (time.monotonic() - begin) * 1000
        return {"reeve": took, "bare SQLite scan": scan}


def fill_instances(database, count):
    """Copies the one stored instance (stopped) @count times under other ids and agents."""
    db = sqlite3.connect(database)
    columns = [row[1] for row in db.execute("PRAGMA table_info(instances)")]
    row = dict(zip(columns, db.execute("SELECT * FROM instances").fetchone()))
    digits = "0123456789abcdefghjkmnpqrstvwxyz"

    def rows_of():
        for i in range(count):
            number, text = 1_000_000 + i, ""
            while number:
                number, text = number // 32, digits[number % 32] + text
            yield [f"ins_{text.rjust(6, '0')}" if name == "id" else f"x{i}" if name == "agent" else row[name] for name in columns]

    db.executemany(f"INSERT INTO instances VALUES ({','.join('?' * len(columns))})", rows_of())
    db.commit()
    db.close()


ROWS = [
    Row("start", "300 trivial processes from command to all running, min_healthy 0", "ms", "<= 2.5 x bare, ahead of runit", run_start),
    Row("restart", "kill -9 of an agent to its successor running, delay 0 (reeve = p50)", "ms", "p50 <= 2 x bare, p99 <= 3 x bare", run_restart),
    Row("memory", "memory per supervised process, logging and the server's share included", "KiB PSS", "below both; <= 100 KiB", run_memory, 3),
    Row("idle-cpu", "CPU with 300 healthy agents, 30 s probes", "% of a core", "<= 0.5 %", run_idle_cpu, 1),
    Row("plan", "plan of a 100,000-agent DAG with 300,000 edges", "ms", ">= 15 x networkx, <= 1 s, linear", run_plan),
    Row("load", "load and validate a job of 10,000 agents", "ms", "<= 2 x libfyaml's parse", run_load),
    Row("reload", "restart with 100,000 live objects", "ms", "serving in <= 0.3 s", run_reload, 3),
    Row("http", "GET of one deployment with 5 instances, keep-alive", "requests/s", ">= 0.5 x evhttp", run_http),
    Row("flood", "agent that prints 100 MB in lines", "MB/s", ">= 0.6 x, memory flat", run_flood),
    Row("desk", "`up` of examples/desk, server start included", "ms", "<= 150 ms above bare", run_desk),
    Row("idle", "idle server", "MB PSS", "<= 18 MB PSS, <= 6 MB private dirty, no wake-ups but the due ones", run_idle_memory, 3),
]
