#!/usr/bin/env python3
"""./dev bench: every figure beside its reference in the same minute, interleaved, five rounds; median, spread, ratio. Nothing here is a test."""
import argparse
import json
import statistics
import subprocess
import sys

import change_rows
import common
import core_rows
import rows
from agent_rows import AGENT_ROWS

ALL = rows.ROWS + core_rows.ROWS + change_rows.ROWS + AGENT_ROWS


def summary(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "values": values}


def show(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def measure(row, rounds):
    """Runs one row: {"name": [values]} for ours and every reference, each round in turn."""
    columns = {}
    for number in range(rounds):
        for name, value in row.run(number).items():
            columns.setdefault(name, []).append(value)
    return {name: summary(values) for name, values in columns.items()}


def report(row, result):
    ours = result["reeve"]
    print(f"\n{row.title}  [{row.unit}]   to reach: {row.goal}")
    for name, column in result.items():
        ratio = ours["median"] / column["median"] if column["median"] else float("nan")
        print(f"  {name:<28} {show(column['median']):>10}  ({show(column['low'])} .. {show(column['high'])})" + ("" if name == "reeve" else f"   reeve / this = {ratio:.2f}"))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows; default: all. Known: " + ", ".join(row.name for row in ALL) + "; a word before a dash means all of its rows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="write all figures there as JSON")
    args = parser.parse_args()
    names = {row.name for row in ALL}
    chosen = {name: {name} if name in names else {other for other in names if other.startswith(name + "-")} for name in args.rows}
    wanted = [row for row in ALL if not args.rows or any(row.name in group for group in chosen.values())]
    if unknown := {name for name, group in chosen.items() if not group}:
        parser.error("unknown rows: " + ", ".join(sorted(unknown)))
    targets = subprocess.run(["ninja", "-C", str(common.BUILD), "-t", "targets", "all"], capture_output=True, text=True, check=True).stdout
    programs = [line.split(":")[0] for line in targets.splitlines() if line.startswith("bench/bench_") and "cpp_LINKER" in line or line.startswith("bench/bench_") and "c_LINKER" in line]
    subprocess.run(["ninja", "-C", str(common.BUILD), "--quiet", *programs], check=True)
    results = {}
    for row in wanted:
        try:
            results[row.name] = measure(row, min(args.rounds, row.rounds_max))
        except Exception as problem:  # one broken row must not hide the others
            print(f"\n{row.title}: not measured: {problem!r}")
            results[row.name] = {"error": repr(problem)}
            continue
        report(row, results[row.name])
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    return 1 if any("error" in result for result in results.values()) else 0


sys.exit(main())
