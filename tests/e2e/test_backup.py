"""Backups under load, and the way back: agents are adopted, nothing is behind, nothing is lost by a bad file."""
import hashlib
import json
import shutil
import sqlite3
import subprocess
import threading

import pytest
from conftest import BIN, alive, wait_until

JOB = """
job: {name: desk}
agents:
  - {id: a, command: [sleep, '1000'], environment: {KEY: {secret: key}}}
  - {id: b, command: [sleep, '1000']}
topology: {type: pipeline, stages: [a, b]}
"""


def set_secret(reeve, value):
    subprocess.run([BIN, "--data-dir", reeve.data, "secret", "set", "key"], input=value, env=reeve.environment, text=True, check=True, capture_output=True)


def stop_keeping(reeve):
    reeve.run("server", "stop", "--keep")
    reeve.server_process.wait(timeout=20)


def pids(reeve):
    return {name: i["pid"] for name, i in reeve.instances("desk").items()}


def settled(reeve, name="desk"):
    def look():
        deployment = reeve.deployment(name)
        return deployment["status"] == "running" and deployment["rollout"]["phase"] == "done" and all(i["health"] == "healthy" for i in deployment["instances"])
    wait_until(look, what=f"{name} runs")


def test_backup_under_load_and_back(bare):
    bare.start()
    set_secret(bare, "one")
    bare.run("up", "-d", bare.job(JOB))
    over, failures = threading.Event(), []

    def load():
        number = 0
        while not over.is_set():
            number += 1
            status, answer = bare.request("POST", "/api/tokens", {"name": f"t{number % 100}", "role": "viewer"})
            if status == 409:
                status, answer = bare.request("DELETE", f"/api/tokens/t{number % 100}")
            if status >= 400:
                failures.append((status, answer))

    worker = threading.Thread(target=load)
    worker.start()
    files = [bare.directory / f"backup{n}" for n in range(5)]
    for file in files:
        bare.run("backup", file)
    over.set()
    worker.join()
    assert not failures, failures[:3]
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
    before = pids(bare)
    bare.run("restart", "desk", "b")  # b has a newer generation than the backup knows
    extra = bare.job("job: {name: extra}\nagents: [{id: x, command: [sleep, '1000']}]\ntopology: {type: dynamic}\n", "extra.yaml")
    bare.run("up", "-d", extra)
    stranger = bare.instances("extra")["x"]
    restarted = pids(bare)["b"]
    stop_keeping(bare)
    assert "before-restore" in bare.run("restore", files[-1]).stderr
    bare.start()
    settled(bare)
    assert pids(bare)["a"] == before["a"] and alive(before["a"])  # adopted, not started again
    wait_until(lambda: not alive(stranger["pid"]), what="what the backup does not know is ended")
    assert not [d for d in bare.get("/api/deployments")["deployments"] if d["name"] == "extra"]
    now = bare.instances("desk")["b"]
    assert now["pid"] == restarted or not alive(restarted)  # either adopted, or ended before a new one began
    bare.run("restart", "desk")
    settled(bare)
    assert bare.instances("desk")["a"]["generation"] > 1
    bare.run("up", "-d", extra)
    assert bare.instances("extra")["x"]["id"] != stranger["id"]  # ids that were given out after the backup are not given out again
    assert len({i["epoch"] for i in bare.instances("desk").values()} - {0}) >= 1


def start_refused(reeve):
    """Starts a server whose node belongs to another store; why."""
    with open(reeve.directory / "server.out", "ab") as log:
        reeve.server_process = subprocess.Popen([BIN, "--data-dir", reeve.data, "server"], env=reeve.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    wait_until(reeve.answers, what="the server answers")
    return wait_until(lambda: (reeve.get("/api/nodes")["nodes"] or [{"problem": None}])[0]["problem"], what="the node is refused")


def test_a_lost_database_ends_nobody(bare):
    """A server whose database was moved away, lost or mistaken for another knows no agent: it leaves alone what belongs to the other store, and says so."""
    bare.start()
    set_secret(bare, "one")
    bare.run("up", "-d", bare.job(JOB))
    settled(bare)
    before = pids(bare)
    bare.run("backup", "--with-key", bare.directory / "file")
    stop_keeping(bare)
    away = bare.directory / "away"
    away.mkdir()
    for file in bare.data.glob("reeve.db*"):
        file.rename(away / file.name)
    assert "another store" in start_refused(bare)
    assert "another store" in bare.run("doctor", code=1).stdout
    assert "node refused" in (bare.directory / "server.out").read_text()
    stop_keeping(bare)
    assert all(alive(pid) for pid in before.values())
    for file in bare.data.glob("reeve.db*"):
        file.unlink()
    for file in away.iterdir():
        file.rename(bare.data / file.name)
    bare.start()
    settled(bare)
    assert pids(bare) == before
    stop_keeping(bare)
    for file in bare.data.glob("reeve.db*"):
        file.unlink()
    start_refused(bare)  # once more, and the way back by a backup
    stop_keeping(bare)
    bare.run("restore", bare.directory / "file")
    bare.start()
    settled(bare)
    assert pids(bare) == before


def test_term_grows_with_each_restore(bare):
    bare.start()
    bare.run("backup", bare.directory / "one")
    stop_keeping(bare)
    assert "term 2" in bare.run("restore", bare.directory / "one").stdout
    assert "term 3" in bare.run("restore", bare.directory / "one").stdout
    bare.start()
    bare.run("backup", bare.directory / "two")
    stop_keeping(bare)
    assert "term 4" in bare.run("restore", bare.directory / "two").stdout


def test_the_key_is_only_there_when_asked_for(bare):
    bare.start()
    set_secret(bare, "one")
    key = (bare.data / "secrets.key").read_bytes()
    without = bare.run("backup", bare.directory / "without")
    assert "NOT in it" in without.stderr and key not in (bare.directory / "without").read_bytes()
    assert "whoever has the file" in bare.run("backup", "--with-key", bare.directory / "with").stderr
    assert key in (bare.directory / "with").read_bytes()
    stop_keeping(bare)
    shutil.rmtree(bare.data)
    assert "key of its 1 secret is missing" in bare.run("restore", bare.directory / "without").stderr
    shutil.rmtree(bare.data)
    assert "missing" not in bare.run("restore", bare.directory / "with").stderr
    assert (bare.data / "secrets.key").read_bytes() == key and (bare.data / "secrets.key").stat().st_mode & 0o777 == 0o600
    bare.start()
    bare.run("up", "-d", bare.job(JOB))


def test_bad_files_change_nothing(bare):
    bare.start()
    bare.run("up", "-d", bare.job("job: {name: desk}\nagents: [{id: a, command: [sleep, '1000']}]\ntopology: {type: dynamic}\n"))
    good = bare.directory / "good"
    bare.run("backup", good)
    assert "File exists" in bare.run("backup", good, code=5).stderr
    assert "server stop --keep" in bare.run("restore", good, code=5).stderr  # a server runs
    stop_keeping(bare)
    data = good.read_bytes()
    body = data.index(b"\n", data.index(b"\n") + 1) + 1
    manifest = json.loads(data[:body].split(b"\n")[1])

    def with_manifest(**more):
        text = json.dumps({**manifest, **more}).encode()
        return b"REEVE-BACKUP 1 " + hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n"

    bad = {"cut short": data[:-1], "trailing data after the end": data + b"x", "checksum": data[:-10] + bytes(b ^ 1 for b in data[-10:]), "begins otherwise": b"x" + data,
           "manifest was changed": data.replace(b'"term":1', b'"term":9', 1), "newer Reeve": with_manifest(schema=999) + data[body:],
           "another version": with_manifest(format=2) + data[body:], "lacks something": with_manifest(database_bytes=-5) + data[body:]}
    bad["begins otherwise "] = b""
    for word, content in bad.items():
        file = bare.directory / "bad"
        file.write_bytes(content)
        refused = bare.run("restore", file, code=3)
        assert word.strip() in refused.stderr, (word, refused.stderr)
    bare.run("restore", bare.directory / "absent", code=4)
    assert not [path for path in bare.data.iterdir() if "restore" in path.name]
    bare.start()
    settled(bare)


def test_a_damaged_database_is_not_restored(bare):
    """Right checksums over a database that is broken inside."""
    bare.start()
    bare.run("backup", bare.directory / "good")
    stop_keeping(bare)
    data = (bare.directory / "good").read_bytes()
    body = data.index(b"\n", data.index(b"\n") + 1) + 1
    manifest, database = json.loads(data[:body].split(b"\n")[1]), bytearray(data[body:])
    database[4096:4196] = b"\xff" * 100
    text = json.dumps({**manifest, "database_sha256": hashlib.sha256(database).hexdigest()}).encode()
    (bare.directory / "bad").write_bytes(b"REEVE-BACKUP 1 " + hashlib.sha256(text).hexdigest().encode() + b"\n" + text + b"\n" + database)
    assert "damaged" in bare.run("restore", bare.directory / "bad", code=None).stderr or "read database" in bare.run("restore", bare.directory / "bad", code=None).stderr
    bare.start()


@pytest.mark.parametrize("damage", ["garbage", "absent"])
def test_restore_over_a_lost_database(bare, damage):
    bare.start()
    bare.run("up", "-d", bare.job("job: {name: desk}\nagents: [{id: a, command: [sleep, '1000']}]\ntopology: {type: dynamic}\n"))
    before = pids(bare)
    bare.run("backup", bare.directory / "good")
    bare.kill_server()
    for path in bare.data.glob("reeve.db*"):
        path.unlink()
    if damage == "garbage":
        (bare.data / "reeve.db").write_bytes(b"garbage" * 1000)
    bare.run("restore", bare.directory / "good")
    bare.start()
    settled(bare)
    assert pids(bare) == before
    with sqlite3.connect(bare.data / "reeve.db") as db:
        assert db.execute("SELECT value FROM meta WHERE key='term'").fetchone()[0] == "2"
