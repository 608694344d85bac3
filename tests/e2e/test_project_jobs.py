"""Twenty job files as projects keep them: below examples/jobs, with modules named from the top of the project. Each is valid, its plan is what it says, and it runs:
everybody is given whom its topology says."""
import json
import pathlib
import re
import shutil
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

PROJECT = pathlib.Path(__file__).parent / "project"
# file: (stages, whom each agent is given; who is not named is given nobody)
PLANS = {
    "hub-full.yaml": ([["papers", "pictures"], ["desk"]], {"desk": ["papers", "pictures"]}),
    "hub-short.yaml": ([["writer"], ["desk"]], {"desk": ["writer"]}),
    "pipeline-fork.yaml": ([["a"], ["b", "c"], ["d"]], {"a": ["b", "c"], "b": ["d"], "c": ["d"]}),
    "pipeline-lists.yaml": ([["a"], ["b"]], {"a": ["b"]}),
    "pipeline-one.yaml": ([["a", "b"]], {}),
    "dag-diamond.yaml": ([["a"], ["b", "c"], ["d"]], {"a": ["b", "c"], "b": ["d"], "c": ["d"]}),
    "dag-typed.yaml": ([["a"], ["b"], ["c"]], {"a": ["b", "c"], "b": ["c"]}),
    "dag-apart.yaml": ([["a", "c"], ["b"]], {"a": ["b"]}),
    "mesh-four.yaml": ([["a", "b", "c", "d"]], {"a": ["b", "c", "d"], "b": ["a", "c", "d"], "c": ["a", "b", "d"], "d": ["a", "b", "c"]}),
    "mesh-order.yaml": ([["c", "a", "b"]], {"a": ["c", "b"], "b": ["c", "a"], "c": ["a", "b"]}),
    "tree-levels.yaml": ([["a"], ["b", "c"], ["d"]], {"a": ["b", "c"], "b": ["d"], "c": ["d"]}),
    "tree-parents.yaml": ([["a"], ["b", "c"], ["d"]], {"a": ["b", "c"], "c": ["d"]}),
    "free.yaml": ([["a", "b"]], {}),
    "no-topology.yaml": ([["a"]], {}),
    "strategy-parallel.yaml": ([["a", "b"], ["c"]], {"c": ["a", "b"]}),
    "never-read.yaml": ([["a", "b"]], {"a": ["b"], "b": ["a"]}),
    "extras.yaml": ([["a"], ["b"]], {"a": ["b"]}),
    "config-free.yaml": ([["a"]], {}),
    "environments.yaml": ([["a"]], {}),
    "as-json.json": ([["a"], ["b"]], {"b": ["a"]}),
}


def own_project(directory):
    """A copy of the project on ports that are free."""
    shutil.copytree(PROJECT, directory / "project", ignore=shutil.ignore_patterns("__pycache__"))
    files = sorted((directory / "project/examples/jobs").iterdir())
    numbers = sorted({number for file in files for number in re.findall(r"port\"?: (\d{4})\b", file.read_text())})
    with ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in numbers]
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        free = {number: str(holder.getsockname()[1]) for number, holder in zip(numbers, holders)}
    for file in files:
        file.write_text(re.sub(r"(port\"?: )(\d{4})\b", lambda match: match[1] + free[match[2]], file.read_text()))
    return directory / "project"


def ask(url, query):
    request = urllib.request.Request(url + "/query", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["response"]


def environment_of(url):
    with urllib.request.urlopen(url + "/environment", timeout=20) as answer:
        return json.load(answer)


def check_job(one, project, name):
    """Valid, planned and up as PLANS says; returns its plan."""
    stages, given = PLANS[name]
    path = project / "examples/jobs" / name
    one.run("validate", path)
    plan = json.loads(one.run("plan", path, "-o", "json").stdout)
    assert [sorted(stage) for stage in plan["stages"]] == [sorted(stage) for stage in stages], name
    urls = plan["agent_urls"]
    assert plan["connections"] == {agent: [urls[other] for other in given.get(agent, [])] for agent in urls}, name
    assert {place["working_dir"] for place in plan["placement"].values()} == {str(project)}, name
    one.run("up", "-d", path, timeout=120)
    for agent, url in urls.items():
        said = ask(url, "all").split()
        assert [word.split(":")[0] for word in said] == [agent, *given.get(agent, [])], (name, agent, said)
    return plan


def test_all_of_them(bare):
    project = own_project(bare.directory)
    assert set(PLANS) == {path.name for path in (project / "examples/jobs").iterdir()}
    bare.start()
    with ThreadPoolExecutor(4) as pool:
        plans = dict(zip(PLANS, pool.map(lambda name: check_job(bare, project, name), PLANS)))
    free = environment_of(plans["config-free.yaml"]["agent_urls"]["a"])
    assert (free["AGENT_NAME"], free["AGENT_SOURCES"], free["AGENT_NOTHING"]) == ("Free: keys", '["rss", "mail"]', "null")
    assert json.loads(free["AGENT_LIMITS"]) == {"daily": 10, "burst": 2.5}
    texts = environment_of(plans["environments.yaml"]["agent_urls"]["a"])
    assert {key: texts[key] for key in ("LEVEL", "DEBUG", "RATE", "PIN", "NONE", "WHO", "GREETING", "N")} == {
        "LEVEL": "5", "DEBUG": "true", "RATE": "1.50", "PIN": "0123", "NONE": "", "WHO": "a", "GREETING": "hello", "N": "7"}


def test_where_a_module_is_looked_for(bare):
    """working_dir alone when it is given; else the directory of the job file, those above it, and the current one: the first that has it. An error names them all."""
    top = bare.directory / "top"
    for place in ("jobs/deep", "agents", "elsewhere/own"):
        (top / place).mkdir(parents=True)
    for module in ("agents/news.py", "jobs/near.py", "elsewhere/own/far.py"):
        (top / module).write_text("")
    path = top / "jobs/deep/job.yaml"

    def agent(**keys):
        path.write_text(json.dumps({"job": {"name": "m"}, "agents": [{"id": "a", **keys}]}))
        done = bare.run("validate", path, code=None)
        place = json.loads(bare.run("plan", path, "-o", "json").stdout)["placement"]["a"]["working_dir"]
        return place if done.returncode == 0 else done.stderr

    assert agent(module="agents.news") == str(top)
    assert agent(module="near") == str(top / "jobs")
    assert agent(module="http.server") == str(top / "jobs/deep")
    assert agent(module="far", environment={"PYTHONPATH": "../../elsewhere/own"}) == str(top / "jobs/deep")
    assert agent(module="agents.news", working_dir="../..") == str(top)
    assert f"no module 'agents.news' in '{top}/jobs', nor in" in agent(module="agents.news", working_dir="..")
    assert f"no module 'own.far' in '{top}/jobs/deep', '{top}/jobs', '{top}', '{bare.directory}'" in agent(module="own.far")
    assert f"agents.news runs in {top}" in (agent(module="agents.news"), bare.run("plan", path).stderr)[1]
