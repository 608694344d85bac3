"""Rows of the bench about turns of the core alone: what one thing costs beside few and beside many others. Reeve is its own reference here."""
import subprocess

from common import BENCH
from rows import Row

FEW_NODES, MANY_NODES, MANY_SLOTS, FEW_STAGES, MANY_STAGES = 10, 10000, 40000, 2000, 8000


def core_us(what, n):
    """{what: microseconds} as bench_core prints it."""
    out = subprocess.run([BENCH / "bench_core", what, str(n)], capture_output=True, text=True, check=True).stdout
    return {name: float(value) for name, value in (line.split() for line in out.splitlines())}


def beside_nodes(what):
    return lambda _round: {f"beside {FEW_NODES} nodes": core_us(what, FEW_NODES)[what], "reeve": core_us(what, MANY_NODES)[what]}


def run_deploy(_round):
    alone, beside = core_us("deploy", 0), core_us("deploy", MANY_SLOTS)
    return {"reeve": beside["deploy"] / 1000, "beside no others": alone["deploy"] / 1000}


def run_stages(_round):
    """Up and down of a pipeline with a stage for each agent, divided by the stages."""
    few, many = core_us("stages", FEW_STAGES), core_us("stages", MANY_STAGES)
    return {"reeve": sum(many.values()) / MANY_STAGES, f"of {FEW_STAGES:,} stages": sum(few.values()) / FEW_STAGES}


ROWS = [
    Row("core-heartbeat", f"heartbeat of a node beside {MANY_NODES:,} others", "us", f"<= 1.5 x beside {FEW_NODES}", beside_nodes("heartbeat")),
    Row("core-hello", f"hello of an empty node beside {MANY_NODES:,} others", "us", f"<= 1.5 x beside {FEW_NODES}", beside_nodes("hello")),
    Row("core-deploy", f"deploy of 1,000 slots on a node with {MANY_SLOTS:,} others, until it runs", "ms", "<= 1.5 x beside none", run_deploy),
    Row("core-stages", f"up and down of {MANY_STAGES:,} stages, for each stage", "us", f"<= 1.5 x that of {FEW_STAGES:,}: linear", run_stages),
]
