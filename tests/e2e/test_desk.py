"""The demo: a hub that really asks its two workers, and names who is missing."""
import os
import signal
import subprocess

import pytest
from conftest import BIN, own_examples, wait_until


@pytest.mark.asan
def test_hub_answers_from_both_workers(reeve):
    examples = own_examples(reeve.directory)
    reeve.run("up", "-d", examples / "desk/job.yaml")
    answer = reeve.run("prompt", "desk", "What happened today?").stdout
    assert "news says: three things happened today" in answer and "stats says: the question has 3 words" in answer, answer
    assert "missing" not in answer
    for name in ("news", "stats", "boss"):
        status = reeve.run("prompt", f"desk/{name}", "And you?").stdout
        assert status.strip(), name


@pytest.mark.asan
def test_hub_names_who_is_missing(reeve):
    """A worker is killed for good: it gives up, the deployment is degraded, the hub says so; a restart brings the worker back on the same URL."""
    job = own_examples(reeve.directory) / "desk/job.yaml"
    text = job.read_text()
    assert text.count("reeve: {agent: agents/news.toml}") == 1
    job.write_text(text.replace("reeve: {agent: agents/news.toml}", "reeve: {agent: agents/news.toml}\n    restart: {policy: never}"))
    reeve.run("up", "-d", job)
    url = reeve.instances("desk")["news"]["url"]
    os.kill(reeve.instances("desk")["news"]["pid"], signal.SIGKILL)
    wait_until(lambda: reeve.instances("desk")["news"]["state"] == "failed", what="the killed worker has failed")
    answer = reeve.run("prompt", "desk", "And now?").stdout
    assert "missing: news" in answer and "stats says" in answer and "news says" not in answer, answer
    assert reeve.deployment("desk")["status"] == "degraded"
    reeve.run("restart", "desk", "news")
    assert reeve.instances("desk")["news"]["url"] == url
    answer = reeve.run("prompt", "desk", "And now?").stdout
    assert "news says" in answer and "missing" not in answer, answer


def test_demo_script(bare):
    """What ./dev demo runs after the build, twice: the second time finds everything running."""
    examples = own_examples(bare.directory)
    environment = {**bare.environment, "REEVE_DATA_DIR": str(bare.data)}
    for _ in range(2):
        done = subprocess.run([examples / "desk/demo", BIN], env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert "news says" in done.stdout and "stats says" in done.stdout and "Try next" in done.stdout
