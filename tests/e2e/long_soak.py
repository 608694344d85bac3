"""Twenty minutes of steady work in `./dev test --long`: 100 agents with ten lines a second and one that ends again and again. Memory, open files and the
database stay as they are after the first minutes, nobody is started twice, and every line is there."""
import os
import pathlib
import re
import signal
import time

import counter
from conftest import wait_until

SECONDS = float(os.environ.get("REEVE_SOAK_SECONDS", 1200))
AGENTS = 100


def figures(reeve):
    pid = reeve.server_process.pid
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    ticks = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    database = sum(file.stat().st_size for file in reeve.data.glob("*.db*"))
    return {"rss_kib": int(re.search(r"VmRSS:\s+(\d+)", status)[1]), "files": len(os.listdir(f"/proc/{pid}/fd")), "cpu_s": (int(ticks[11]) + int(ticks[12])) / 100,
            "database": database}


def test_soak(bare):
    signal.setitimer(signal.ITIMER_REAL, SECONDS + 1800)
    bare.start()
    program, counts = counter.build(bare.directory)
    lines = "".join(f"  - {{id: a{number}, command: ['{program}', '{counts}', '100'], health: {{min_healthy: 0}}}}\n" for number in range(AGENTS))
    flapping = "  - {id: flaps, command: [sh, -c, 'sleep 1; exit 1'], restart: {max: -1, delay: 0.1, max_delay: 0.1}, health: {min_healthy: 0}}\n"
    bare.run("up", "-d", bare.job(f"job: {{name: soak}}\nagents:\n{lines}{flapping}topology: {{type: dynamic}}\ndeployment: {{timeout: 120}}\n"))
    time.sleep(SECONDS / 4)  # what grows until it is warm is not a leak
    before = figures(bare)
    time.sleep(SECONDS * 3 / 4)
    after = figures(bare)
    print(before, after)
    assert after["rss_kib"] < before["rss_kib"] * 1.1 + 1024 and after["files"] <= before["files"] + 4 and after["database"] < before["database"] * 1.5 + (1 << 20)
    assert len(list(counts.iterdir())) == AGENTS, "nobody was started twice"
    bare.run("down", "soak", timeout=120)
    wait_until(lambda: bare.deployment("soak")["status"] == "stopped", what="all are stopped")
    logged = counter.logged(bare, ["soak"])
    for name, written in counter.written(counts).items():
        lines = logged[name.split("~")[3]]
        last = max(lines)  # it may be stopped between writing a line and counting it
        assert written <= last <= written + 1 and lines == set(range(1, last + 1)), name
