"""The contract before a linter that others wrote, and a broken one before it too."""
import subprocess

import pytest
from conftest import ROOT, npm_tool


def lint(document):
    return subprocess.run([npm_tool("spectral"), "lint", "--quiet", "-r", ROOT / "api/spectral.yaml", "--fail-severity", "warn", document],
                          capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)


def test_openapi_is_clean():
    done = lint(ROOT / "api/openapi.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("old, new, rule", [("      x-role: admin\n", "", "reeve-role-given"), ("operationId: getHealth", "operationId: getServer", "operation-operationId-unique"),
                                            ("#/components/schemas/Health'", "#/components/schemas/Wealth'", "invalid-ref")])
def test_the_linter_looks(tmp_path, old, new, rule):
    text = (ROOT / "api/openapi.yaml").read_text()
    assert old in text
    broken = tmp_path / "openapi.yaml"
    broken.write_text(text.replace(old, new, 1))
    done = lint(broken)
    assert done.returncode != 0 and rule in done.stdout, done.stdout + done.stderr
