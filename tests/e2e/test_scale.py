"""Many agents: 1,000 of them up and down, and two dozen that flap, with nothing growing."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from conftest import BIN, alive, wait_until

SLEEPER_SOURCE = "#include <signal.h>\n#include <unistd.h>\nint main(void)\n{\n  signal(SIGTERM, SIG_DFL);\n  for (;;)\n    pause();\n}\n"
FLAP_SECONDS = int(os.environ.get("REEVE_FLAP_SECONDS", "120"))


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory):
    """A static program that does nothing: what is measured is Reeve."""
    directory = tmp_path_factory.mktemp("sleeper")
    (directory / "sleeper.c").write_text(SLEEPER_SOURCE)
    subprocess.run([shutil.which("cc") or "gcc", "-static", "-Os", "-o", directory / "sleeper", directory / "sleeper.c"], check=True)
    return directory / "sleeper"


def up_and_down(reeve, sleeper, agents, replicas):
    lines = "".join(f"  - {{id: a{n}, command: [{sleeper}], replicas: {replicas}}}\n" for n in range(agents))
    job = reeve.job(f'job: {{name: many, version: "1", description: test}}\nagents:\n{lines}topology: {{type: dynamic}}\ndeployment: {{timeout: 120}}\n')
    before = time.monotonic()
    reeve.run("up", "-q", "-d", job, timeout=300)
    up = time.monotonic() - before
    instances = reeve.deployment("many")["instances"]
    pids = [instance["pid"] for instance in instances]
    assert len(set(pids)) == agents * replicas and all(instance["state"] == "running" for instance in instances)
    before = time.monotonic()
    reeve.run("down", "-q", "many", timeout=300)
    down = time.monotonic() - before
    assert not any(alive(pid) for pid in pids)
    wait_until(lambda: not reeve.shims(), 60, "no shim is left")
    return up, down


def test_thousand(reeve, sleeper, capsys):
    if "asan" in str(BIN):
        pytest.skip("a measure of the release build")
    up, down = up_and_down(reeve, sleeper, 100, 10)
    with capsys.disabled():
        print(f"\n1,000 agents, node {reeve.node}: up {up:.1f} s, down {down:.1f} s")


@pytest.mark.asan
def test_fifty(reeve, sleeper):
    up_and_down(reeve, sleeper, 50, 1)


def shape(pid):
    """(resident KiB, open descriptors) of @pid."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]), len(os.listdir(f"/proc/{pid}/fd"))
