"""Whom a node obeys and which process is a node: another store, an older copy of it, a second process, a copied directory, a reboot without a server."""
import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest
from conftest import BIN, alive, started, wait_until
from test_survival import JOB, pids


def node(reeve):
    return reeve.get("/api/nodes")["nodes"][0]


@pytest.fixture
def apart():
    """A node that is a process of its own."""
    with started("process") as one:
        yield one


@contextlib.contextmanager
def second_node(reeve, name):
    log = reeve.directory / f"{name}.out"
    with open(log, "ab") as out:
        process = subprocess.Popen([BIN, "--data-dir", reeve.directory / name, "node", "--server", reeve.directory / "node.sock"],
                                   env=reeve.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_node_of_another_store_is_left_alone_until_reset(bare):
    bare.run("up", "-d", bare.job(JOB))
    before = pids(bare)
    bare.run("server", "stop", "--keep")
    away = bare.directory / "away"
    away.mkdir()
    for file in bare.data.glob("reeve.db*"):
        file.rename(away / file.name)
    bare.run("server", "start")
    problem = wait_until(lambda: node(bare).get("problem"), what="the node is refused")
    assert "another store" in problem and "reeve node reset" in problem
    assert all(alive(pid) for pid in before.values())
    assert problem[:40] in bare.run("doctor", code=None).stdout
    done = bare.run("node", "reset", code=5)  # the server's node holds the directory
    assert "another node runs there" in done.stderr
    bare.run("server", "stop", "--keep", code=None)
    assert all(alive(pid) for pid in before.values())
    done = bare.run("node", "reset")
    assert "2 agents ended" in done.stdout + done.stderr
    assert not any(alive(pid) for pid in before.values()) and not bare.shims()
    assert not list((bare.data / "node/instances").iterdir())
    bare.run("server", "start")
    wait_until(lambda: node(bare)["status"] == "online" and not node(bare).get("problem"), what="the node belongs to the new store")
    bare.run("up", "-d", bare.job(JOB))
    pids(bare)


def test_reset_wants_a_node(bare, tmp_path):
    assert "no node keeps its state there" in subprocess.run([BIN, "--data-dir", tmp_path / "none", "node", "reset"], capture_output=True, text=True, check=False).stderr


def test_older_copy_of_the_database_is_not_obeyed(bare):
    """A file that was put back by hand instead of with `reeve restore`: its server would count anew from where it was."""
    bare.run("up", "-d", bare.job(JOB))
    backup, older = bare.directory / "b.reeve", bare.directory / "older"
    bare.run("backup", backup)
    bare.run("server", "stop", "--keep")
    older.mkdir()
    for file in bare.data.glob("reeve.db*"):
        shutil.copy(file, older)
    bare.run("restore", backup)
    bare.run("server", "start")
    before = pids(bare)
    bare.run("server", "stop", "--keep")
    for file in bare.data.glob("reeve.db*"):
        file.unlink()
    for file in older.iterdir():
        shutil.copy(file, bare.data)
    bare.run("server", "start")
    problem = wait_until(lambda: node(bare).get("problem"), what="the node is refused")
    assert "older copy" in problem and "reeve restore" in problem
    assert all(alive(pid) for pid in before.values())
    bare.run("server", "stop", "--keep", code=None)
    bare.run("restore", backup)
    bare.run("server", "start")
    assert pids(bare) == before


def test_second_process_is_refused(apart):
    apart.run("up", "-d", apart.job(JOB))
    before = pids(apart)
    with second_node(apart, "other") as log:
        wait_until(lambda: "another process is linked as node" in log.read_text(), what="the second is refused")
        assert pids(apart) == before and node(apart)["status"] == "online"
        assert log.read_text().count("another process is linked") == 1
    assert pids(apart) == before


def test_copied_directory_is_another_one(apart):
    """A machine image that was copied: the copy neither takes the link nor starts the same agents."""
    apart.run("up", "-d", apart.job(JOB))
    before = pids(apart)
    shutil.copytree(apart.directory / "nodedata", apart.directory / "copy", ignore=shutil.ignore_patterns("shim.sock", "*.sock"))
    with second_node(apart, "copy") as log:
        wait_until(lambda: "another process is linked as node" in log.read_text(), what="the copy is refused")
        assert "was copied" in log.read_text()
        own, copy = (json.loads((apart.directory / d / "node.json").read_text())["incarnation"] for d in ("nodedata", "copy"))
        assert own != copy
        assert pids(apart) == before
    apart.run("down", "s")
    wait_until(lambda: not apart.shims(), what="nothing is left")


def test_the_same_node_takes_its_link_at_once(apart):
    apart.run("up", "-d", apart.job(JOB))
    before = pids(apart)
    os.kill(apart.node_process.pid, signal.SIGSTOP)  # its link stands; nobody at its end
    os.kill(apart.node_process.pid, signal.SIGKILL)
    apart.node_process.wait(timeout=30)
    apart.start_node()
    wait_until(lambda: node(apart)["status"] == "online", seconds=10, what="the node is back")
    assert pids(apart) == before


def test_reboot_without_a_server(apart):
    """Nobody comes within the lease: the node starts what its files say, in stage order; the server goes on with that."""
    apart.run("up", "-d", apart.job(JOB))
    before, shims = pids(apart), apart.shims()
    by_agent = {i["id"]: a for a, i in apart.instances("s").items()}
    apart.kill_server()
    apart.kill_node()
    for pid in [*shims.values(), *before.values()]:
        os.kill(pid, signal.SIGKILL)
    kept = apart.directory / "nodedata/node.json"
    identity = json.loads(kept.read_text())
    assert not identity["copied"] and identity["lease_ms"] == 35000
    kept.write_text(json.dumps({**identity, "lease_ms": 500}))  # of which a server told the length
    apart.start_node(REEVE_BOOT_ID="another-boot")
    wait_until(lambda: len(apart.shims()) == 2, what="both are started without a server")
    started = {by_agent[i]: os.stat(f"/proc/{pid}").st_ctime_ns for i, pid in apart.shims().items()}
    assert started["a"] <= started["b"]
    alone = apart.shims()
    apart.start()
    after = pids(apart)
    assert apart.shims() == alone and not set(after.values()) & set(before.values())
    assert "recover" not in [r["kind"] for r in apart.get("/api/deployments/s/history")["rollouts"]]
