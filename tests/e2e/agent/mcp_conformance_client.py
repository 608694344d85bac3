"""The client under test of the MCP conformance suite: an agent with the server behind the URL in our last argument, whose model calls its first tool once."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from agent_world import World  # noqa: E402
from conftest import wait_until  # noqa: E402

ARGUMENTS = {"srv_add_numbers": '{"a": 5, "b": 3}'}

with tempfile.TemporaryDirectory() as directory:
    world = World(directory)
    try:
        agent = world.serve(more=f'[mcp_servers.srv]\ntype = "http"\nurl = "{sys.argv[-1]}"\n')
        wait_until(lambda: agent.get("/status")["mcp_servers"][0]["status"] == "ready", what="the server is ready")
        for name in agent.get("/status")["tools"][:1]:
            print(agent.post("/prompt", {"prompt": f"@tool {name} {ARGUMENTS.get(name, '{}')}"}))
    finally:
        world.close()
