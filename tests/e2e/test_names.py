"""NAME/AGENT/REPLICA is understood by every verb, and everybody calls an instance by the same name."""
import json
import subprocess

import pytest
from conftest import BIN, wait_until

SHOP = """
job: {name: shop}
deployment: {health_check: {enabled: false}}
agents:
  - {id: api, command: [sh, -c, "echo api is up; exec sleep 1000"]}
  - {id: worker, replicas: 2, command: [sh, -c, "echo worker is up; exec sleep 1000"]}
  - {id: nightly, kind: batch, command: ["true"], schedule: {every: 3600}}
topology: {type: dynamic}
"""


@pytest.fixture
def shop(reeve):
    reeve.run("-q", "up", "-d", reeve.job(SHOP))
    return reeve


def column(text, name):
    """The cells of column @name of the table that begins @text."""
    lines = text.splitlines()
    at = lines[0].index(name)
    return [line[at:].split()[0] for line in lines[1:] if line.strip()]


def test_every_verb_takes_an_agent_or_says_what_to_do(shop):
    assert column(shop.run("ps", "shop").stdout, "AGENT") == ["api", "worker/0", "worker/1", "nightly"]
    assert column(shop.run("ps", "shop/worker").stdout, "AGENT") == ["worker/0", "worker/1"]
    assert [i["name"] for d in json.loads(shop.run("ps", "-o", "json", "shop/worker/1").stdout)["deployments"] for i in d["instances"]] == ["worker/1"]
    assert "worker" not in shop.run("status", "shop/api").stdout.split("AGENT", 1)[1]
    assert shop.run("why", "shop/worker/1").stdout.startswith("shop/worker/1 is running, healthy for ")
    assert "api" not in shop.run("why", "shop/worker").stdout
    assert len(json.loads(shop.run("schedules", "-o", "json", "shop/nightly").stdout)["schedules"]) == 1
    assert json.loads(shop.run("schedules", "-o", "json", "shop/api").stdout)["schedules"] == []
    assert shop.run("exec", "shop/worker/1", "--", "echo", "here").stdout == "here\n"
    assert "completed" in shop.run("run", "shop/nightly").stderr
    wait_until(lambda: shop.run("logs", "shop").stdout.count("is up") == 3, what="all have spoken")
    assert sorted(shop.run("logs", "shop/worker").stdout.splitlines()) == ["worker/0 | worker is up", "worker/1 | worker is up"]
    assert shop.run("logs", "shop/worker/1").stdout == shop.run("logs", "shop", "worker/1").stdout == "worker/1 | worker is up\n"
    for verb in ("down", "wait", "cancel", "rollback", "audit"):
        told = shop.run(verb, "shop/api", code=2).stderr
        assert f"{verb} takes a deployment; 'shop/api' names an agent" in told and "openapi" not in told
    assert "reeve restart shop/api" in shop.run("down", "shop/api", code=2).stderr
    assert "no file 'shop/api'" in shop.run("diff", "shop/api", code=4).stderr
    for verb in ("ps", "status", "why", "history", "logs", "monitor", "events", "schedules"):
        told = shop.run(verb, "shop/nobody", code=4).stderr
        assert "shop has no agent 'nobody'; it has: api, worker, nightly" in told, told
    assert "invalid replica number 'x'" in shop.run("logs", "shop/worker/x", code=2).stderr
    assert "has no agent 'worker/7'" in shop.run("ps", "shop/worker/7", code=4).stderr
    assert "names nothing" in shop.run("ps", "shop/", code=2).stderr


def test_one_replica_is_restarted(shop):
    before = {name: instance["pid"] for name, instance in shop.instances("shop").items()}
    told = shop.run("restart", "shop/worker/1").stderr
    after = {name: instance["pid"] for name, instance in shop.instances("shop").items()}
    assert {name for name, pid in after.items() if pid != before[name]} == {"worker/1"}
    assert "worker/1 healthy" in told and told.endswith("shop/worker/1 is restarted\n")
    assert "has no agent 'worker/2'" in shop.run("restart", "shop/worker/2", code=4).stderr
    shop.run("restart", "shop/worker")
    assert all(instance["pid"] != after[name] for name, instance in shop.instances("shop").items() if "worker" in name)


def test_a_number_of_replicas_and_the_history_of_an_agent(shop):
    assert "say how many: reeve scale shop worker=3 (1 to 1000)" in shop.run("scale", "shop/worker=x", code=2).stderr
    assert "shop/worker has 1 replica;" in shop.run("scale", "shop/worker=1").stderr
    assert column(shop.run("ps", "shop").stdout, "AGENT") == ["api", "worker", "nightly"], "one alone needs no number"
    numbers = [r["number"] for r in json.loads(shop.run("history", "-o", "json", "shop/worker").stdout)["revisions"]]
    assert numbers == [1, 2]
    assert [r["number"] for r in json.loads(shop.run("history", "-o", "json", "shop/api").stdout)["revisions"]] == [1]


def watch(shop, *words):
    return subprocess.Popen([BIN, "--data-dir", shop.data, *words], env=shop.environment, stdout=subprocess.PIPE, text=True)


def test_monitor_tells_changes_once(shop):
    with watch(shop, "monitor", "shop") as everything, watch(shop, "monitor", "shop/api") as one, watch(shop, "events", "shop/worker/1") as events:
        assert [everything.stdout.readline().split()[1] for _ in range(5)] == ["shop", "shop/api", "shop/worker/0", "shop/worker/1", "shop/nightly"]
        assert one.stdout.readline().split()[1:] == ["shop/api", "healthy"]
        assert [i["name"] for d in json.loads(events.stdout.readline())["data"]["deployments"] for i in d["instances"]] == ["worker/1"]
        shop.run("restart", "shop")
        shop.run("down", "shop")
        lines = []
        for line in everything.stdout:
            lines.append(line[22:].rstrip("\n"))
            if lines[-1].startswith("shop  rollout succeeded: down"):
                break
        last = {}
        for line in lines:
            name, word = line.split("  ", 1)
            assert last.get(name) != word, (line, lines)
            last[name] = word
        assert not [line for line in lines if "rol_" in line or "prune" in line], lines
        assert "shop  rollout begins: restart" in lines and "shop  rollout succeeded: restart" in lines
        assert {json.loads(events.stdout.readline())["data"]["name"] for _ in range(4)} == {"worker/1"}
        for process in (everything, one, events):
            process.terminate()
        assert {line.split()[1] for line in one.stdout} == {"shop/api"}


def test_a_prompt_goes_to_the_machine_of_the_server_or_nowhere(bare):
    """Our own localhost is somebody else's when the server is elsewhere; nobody there is given the question or the key."""
    bare.start(REEVE_LISTEN="0.0.0.0:0")
    page = bare.directory / "page"
    page.mkdir()
    bare.run("-q", "up", "-d", bare.job(f"""
job: {{name: shop}}
agents: [{{id: api, working_dir: {page}, config: {{port: auto}}, health: {{tcp: true}}, command: [sh, -c, "exec python3 -m http.server --bind 127.0.0.1 $AGENT_PORT"]}}]
topology: {{type: dynamic}}
"""))
    token = bare.run("token", "create", "t", "--role", "viewer").stdout.strip().splitlines()[-1]
    port = bare.get("/api/server")["listen"].rsplit(":", 1)[1]
    for verb in (("prompt", "shop/api", "hello"), ("chat", "shop/api")):
        told = bare.run("--server", f"http://0.0.0.0:{port}", *verb, code=10, REEVE_TOKEN=token).stderr
        assert "which is not this one; ask it from there: reeve prompt shop/api" in told
    assert "501" in bare.run("--server", f"http://127.0.0.1:{port}", "prompt", "shop/api", "hello", code=10, REEVE_TOKEN=token).stderr
    assert "shop/nobody" not in bare.run("prompt", "shop/nobody", "hello", code=4).stdout
