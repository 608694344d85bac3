"""The public conformance suite of MCP clients (npm, locked): an agent is the client. What is left out is not offered: elicitation, and OAuth."""
import subprocess
import sys

import pytest
from agent_world import HERE, NPM
from conftest import npm_tool


@pytest.mark.parametrize("scenario", ["initialize", "tools_call", "sse-retry"])
def test_scenario(scenario, tmp_path):
    npm_tool("conformance")
    client = f"{sys.executable} {HERE / 'mcp_conformance_client.py'}"
    done = subprocess.run(["node", HERE / "mcp_conformance.mjs", NPM, "client", "--command", client, "--scenario", scenario, "--timeout", "60000", "-o", tmp_path], capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0 and "FAILURE" not in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
