"""The rows of the agent server: what a prompt through it costs beside asking the model directly, relayed streams beside nginx, and an idle agent."""
import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import time

from common import BENCH, REEVE, end, memory_kib, wait_until
from rows import Row

STREAMS, SECONDS = 64, 5
PACED, PACED_MS = ("20", "25"), 500  # tokens, ms between them: what a model of 40 tokens/s says in half a second
FLOOD = ("15000", "0")  # 2 MiB an answer
FLOOD_STREAMS = 8
PROXY_CORE, LOAD_CORE = "0", "1"


def free_port():
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listens(port):
    with contextlib.closing(socket.socket()) as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def model(*how):
    process = subprocess.Popen(["taskset", "-c", LOAD_CORE, BENCH / "bench_model_stream", *how], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        end(process)


@contextlib.contextmanager
def agent(directory, model_port):
    """An agent on one core in front of the model; its port and pid."""
    path, port = pathlib.Path(directory) / "agent.toml", free_port()
    path.write_text(f'[agent]\nname = "bench"\n[llm]\nprovider = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:{model_port}/v1"\n'
                    f"[resources]\nmax_concurrent_requests = {STREAMS * 2}\n")
    process = subprocess.Popen(["taskset", "-c", PROXY_CORE, REEVE, "agent", "serve", "--port", str(port), "--agent", path], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), 10, "the agent listens")
        yield port, process.pid
    finally:
        end(process)


@contextlib.contextmanager
def nginx(directory, model_port):
    """nginx on one core as a proxy that passes on what comes; its port."""
    port, where = free_port(), pathlib.Path(directory)
    temp = "".join(f"{name}_temp_path {where}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (where / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {where}/nginx.pid; error_log stderr error; events {{ worker_connections 1024; }}\n"
        f"http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{model_port};"
        f" proxy_buffering off; proxy_http_version 1.1; }} }} }}\n")
    program = next((p for p in ("/usr/sbin/nginx", "/usr/local/sbin/nginx") if os.path.exists(p)), "nginx")
    process = subprocess.Popen(["taskset", "-c", PROXY_CORE, program, "-p", directory, "-c", f"{where}/nginx.conf"])
    try:
        wait_until(lambda: listens(port), 10, "nginx listens")
        yield port
    finally:
        end(process)


def load(streams, spread_ms, connections, *ports):
    """Of each port: ms to the first token at p50 and p99, tokens/s."""
    args = ["taskset", "-c", LOAD_CORE, BENCH / "bench_stream_load", streams, SECONDS, spread_ms, connections, *ports]
    done = subprocess.run(list(map(str, args)), capture_output=True, text=True, check=True)
    return [tuple(map(float, line.split())) for line in done.stdout.splitlines()]


def run_first_token(_round):
    """A model of 40 tokens/s. Twice 64 streams at the same time, every client in turn through the agent and directly, begun one after the other; then all 64
    through the agent, begun in the same moment, which is what the queues of everybody on the way add."""
    with tempfile.TemporaryDirectory() as directory, model(*PACED, "keep") as model_port, agent(directory, model_port) as (port, _):
        direct, through = load(2 * STREAMS, PACED_MS, "keep", model_port, port)
        (burst_direct,), (burst,) = load(STREAMS, 0, "keep", model_port), load(STREAMS, 0, "keep", port)
    return {"reeve": through[0] - direct[0], "reeve, added at p99": through[1] - direct[1], "the model directly, p50": direct[0], "the model directly, p99": direct[1],
            "reeve, added at p50 when 64 ask at once": burst[0] - burst_direct[0], "reeve, added at p99 when 64 ask at once": burst[1] - burst_direct[1]}


def run_relay(_round):
    """A model that sends as fast as it is read, 8 streams; the proxy has one core, model and reader the other."""
    with tempfile.TemporaryDirectory() as directory, model(*FLOOD) as model_port:
        with agent(directory, model_port) as (port, _):
            ours = load(FLOOD_STREAMS, 0, "close", port)[0][2]
        with nginx(directory, model_port) as port:
            peer = load(FLOOD_STREAMS, 0, "close", port)[0][2]
        return {"reeve": ours, "nginx, proxy_buffering off": peer, "no proxy": load(FLOOD_STREAMS, 0, "close", model_port)[0][2]}


def run_idle_agent(_round):
    with tempfile.TemporaryDirectory() as directory, agent(directory, free_port()) as (_, pid):
        time.sleep(1)
        return {"reeve": memory_kib({pid}) / 1024, "reeve, private dirty": memory_kib({pid}, "Private_Dirty:") / 1024}


AGENT_ROWS = [
    Row("agent-first-token", "a prompt through the agent, 64 open streams: added to the time to the first token (reeve = p50)", "ms", "p50 <= 1 ms, p99 <= 5 ms",
        run_first_token),
    Row("agent-relay", "relayed streamed tokens, one core", "tokens/s", ">= 0.5 x nginx", run_relay),
    Row("agent-idle", "idle agent", "MB PSS", "<= 12 MB", run_idle_agent, 3),
]
