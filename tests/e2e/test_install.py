"""What ./dev install puts where; the installed program finds its shim."""
import os
import re
import shutil
import subprocess

import pytest
from conftest import BIN, ROOT


def test_installed_program_runs(tmp_path):
    build = BIN.parent
    if not (build / "build.ninja").exists():
        pytest.fail(f"{build} is no build directory")
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", tmp_path, "--quiet"], check=True, capture_output=True)
    prefix = tmp_path / "usr/local"
    assert (prefix / "bin/reeve").exists() and (prefix / "libexec/reeve/reeve-shim").exists()
    pages = sorted(path.name for path in (prefix / "share/man/man1").iterdir())
    assert "reeve.1" in pages and "reeve-up.1" in pages and len(pages) > 30
    assert "complete" in (prefix / "share/bash-completion/completions/reeve").read_text()
    job = tmp_path / "job.yaml"
    job.write_text('job: {name: x}\nagents: [{id: a, command: [sleep, "1000"]}]\n')
    environment = {**os.environ, "NO_COLOR": "1", "REEVE_LISTEN": "none"}
    data = tmp_path / "data"
    run = lambda *words: subprocess.run([prefix / "bin/reeve", "--data-dir", data, *words], env=environment, capture_output=True, text=True, timeout=60, check=True)
    try:
        assert re.search(r"^a +running +healthy", run("up", "-d", str(job)).stdout, re.MULTILINE)
    finally:
        run("server", "stop", "--down")
        shutil.rmtree(data, ignore_errors=True)
