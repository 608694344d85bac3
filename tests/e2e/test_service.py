"""The unit that reeve service writes: what systemd makes of it, and what is asked of systemctl. A stand-in for systemctl notes its words; no unit of the
machine is touched."""
import json
import os
import shutil
import stat
import subprocess
import tempfile
import pathlib

import pytest
from conftest import BIN

NOBODY = 65534


@pytest.fixture
def home():
    """The home of another user, with the program and a systemctl that only notes."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="reeve-e2e-"))
    directory.chmod(0o755)
    for name in ("reeve", "reeve-shim"):
        shutil.copy(BIN.parent / name, directory / name)
    fake = directory / "bin/systemctl"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho \"$@\" >> {directory}/calls\nexit $(cat {directory}/code 2>/dev/null || echo 0)\n")
    fake.chmod(0o755)
    os.chown(directory, NOBODY, NOBODY)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run(home, *args, code=0):
    environment = {"PATH": f"{home}/bin:/usr/bin:/bin", "HOME": str(home), "NO_COLOR": "1"}
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run([home / "reeve", *args], env=environment, capture_output=True, text=True, timeout=30, check=False, cwd="/", **user)
    assert done.returncode == code, done
    return done


def test_systemd_takes_the_unit(tmp_path):
    odd = tmp_path / "a b%c$d\"e"
    odd.mkdir()
    text = subprocess.run([BIN, "--data-dir", odd, "service", "install", "--print", "--listen", "none"], capture_output=True, text=True, check=True).stdout
    for line in ("KillMode=process", "Delegate=yes", "Restart=on-failure"):
        assert line in text.splitlines()
    assert '"--listen" "none"' in text
    unit = tmp_path / "reeve.service"
    unit.write_text(text)
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("no systemd-analyze here")
    done = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if str(unit) in line or "reeve.service" in line]
    assert not complaints, complaints


def test_install_and_uninstall(home):
    run(home, "service", "status", code=4)
    run(home, "service", "install")
    unit = home / ".config/systemd/user/reeve.service"
    assert f'"{home}/reeve" "server" "--data-dir" "{home}/.local/state/reeve"' in unit.read_text() and "WantedBy=default.target" in unit.read_text()
    assert stat.S_IMODE(unit.stat().st_mode) == 0o644
    run(home, "service", "status")
    assert json.loads(run(home, "-o", "json", "service", "status").stdout) == {"name": str(unit), "outcome": "active"}
    run(home, "service", "uninstall")
    assert not unit.exists()
    assert (home / "calls").read_text().splitlines() == ["--user daemon-reload", "--user enable --now reeve.service", "--user --no-pager status reeve.service",
                                                         "--user is-active --quiet reeve.service", "--user disable --now reeve.service", "--user daemon-reload"]
    assert "is not there" in run(home, "service", "uninstall").stderr


def test_what_systemctl_refuses_is_told(home):
    (home / "code").write_text("5")
    told = run(home, "service", "install", code=1).stderr
    assert "systemctl daemon-reload ended with 5" in told and "'reeve service uninstall' removes it" in told
    run(home, "service", "status", code=10)
    run(home, "service", "instal", code=2)
    told = run(home, "service", "uninstall").stderr
    assert "removed '" in told and "has stopped" not in told
    (home / "bin/systemctl").unlink()
    (home / "bin/systemctl").mkdir()  # the machine's own must not be found either
    environment = {"PATH": str(home / "bin"), "HOME": str(home)}
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run([home / "reeve", "service", "install"], env=environment, capture_output=True, text=True, timeout=30, check=False, **user)
    assert done.returncode == 4 and "--print" in done.stderr, done


def test_print_changes_nothing(home):
    run(home, "service", "install", "--print")
    assert not (home / ".config").exists() and not (home / "calls").exists()
