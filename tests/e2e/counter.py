"""The agent counter.c: each of its processes prints numbered lines and counts them in a file of its own, JOB~AGENT~REPLICA~PROCESS, which outlives a kill -9."""
import collections
import re
import struct
import subprocess

from conftest import ROOT

LINE = re.compile(r"L (\d+-\d+) (\d+)")


def build(directory):
    """(the program, the directory that it counts in)"""
    program, counts = directory / "counter", directory / "counts"
    counts.mkdir()
    subprocess.run(["gcc", "-O1", "-o", program, ROOT / "tests/e2e/agent/counter.c"], check=True)
    return program, counts


def written(counts):
    """File name -> lines. A process that was killed before it had made room has written nothing."""
    return {file.name: struct.unpack("Q", file.read_bytes().ljust(8, b"\0"))[0] for file in counts.iterdir()}


def logged(reeve, names):
    """PROCESS -> the numbers of its lines in the logs of deployments @names."""
    found = collections.defaultdict(set)
    for name in names:
        for process, number in LINE.findall(reeve.run("logs", name, timeout=1200).stdout):
            found[process].add(int(number))
    return found
