#!/usr/bin/env python3
"""Runs the suites of `./dev test` beside each other: one job that needs the cores (builds, unit tests, simulator) next to jobs that mostly wait (end to
end), each of these in a network and process namespace of its own. A job begins when what it stands on has ended. Prints a line for each job that ends,
the output of those that failed, and last the minutes of each beside its share in tests/budget - to look at, never a reason to fail.

usage: run_tests.py [--long] [--without NAME]... [SUITE]...   with suites: only these, and what they stand on"""
import argparse
import os
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build/results"
WAITING_LANES = 2
OUTPUT_LINES_SHOWN = 200
SANITIZED = ["-Dbuildtype=debug", "-Doptimization=1", "-Db_lundef=false"]
# Orphans of a test are handed to process 1 of its namespace, which must reap them: bash does, as long as it does not exec its last command.
NAMESPACE = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", 'ip link set lo up; "$@"; exit $?', "test"]


class Job:
    """One suite. @after: names of jobs that must have ended well. @waits: it mostly waits, so it may run beside another."""

    def __init__(self, name, command, after=(), waits=False, **environment):
        self.name, self.command, self.after, self.waits, self.environment = name, [str(word) for word in command], set(after), waits, environment
        self.minutes, self.status = 0.0, None

    def run(self):
        log = RESULTS / (self.name.replace("/", "-") + ".log")
        started = time.monotonic()
        with open(log, "wb") as output:
            self.status = subprocess.call(self.command, cwd=ROOT, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.minutes = (time.monotonic() - started) / 60
        text = log.read_text(errors="replace").splitlines()
        last = text[-1].strip(" =") if text else ""
        shown = [f"{'ok' if self.status == 0 else 'FAILED':6} {self.minutes:5.1f} min  {self.name}  {last[:100]}"]
        if self.status != 0:
            shown += ["  | " + line for line in text[-OUTPUT_LINES_SHOWN:]]
        print("\n".join(shown), flush=True)


def build_job(directory, options, targets=(), after=()):
    script = 'dir=$1; shift; [ -f "$dir/build.ninja" ] || meson setup "$dir" $OPTIONS; ninja -C "$dir" --quiet "$@"'
    return Job(directory, ["bash", "-ec", script, "build", directory, *targets], after, OPTIONS=" ".join(options))


def meson_job(name, directory, words, after=()):
    """Time-outs are there to end what hangs, so they are far: a machine may be half as fast and has other suites on the same cores."""
    return Job(name, ["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "--timeout-multiplier", "4", *words, "--logbase", name], after)


def pytest_job(name, file, directory, after=(), options=()):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", RESULTS / (name.replace("/", "-") + ".xml"), *options, file]
    if os.geteuid() == 0:
        command = [*NAMESPACE, *command]
    return Job(name, command, after, waits=True, REEVE_BIN=str(ROOT / directory / "reeve"))


def jobs_of(budget, long_run):
    """All jobs, the longest of those that wait first, so that none of them is left for the end."""
    jobs = [build_job("build-crash", ["-Dcrash_points=true"], ["reeve", "reeve-shim"]),
            build_job("build-asan", [*SANITIZED, "-Db_sanitize=address,undefined"]),
            meson_job("unit", "build", ["--suite", "unit", "--suite", "corpus"]),
            meson_job("sim", "build", ["--suite", "sim"]),
            meson_job("unit-asan", "build-asan", ["--suite", "unit", "--suite", "sim", "--suite", "corpus"], ["build-asan"]),
            build_job("build-tsan", [*SANITIZED, "-Db_sanitize=thread"], ["tests/unit/store/test_store_thread"]),
            meson_job("store-tsan", "build-tsan", ["test_store_thread"], ["build-tsan"])]
    waiting = []
    for file in sorted((ROOT / "tests/e2e").glob("test_*.py")):
        needs = ["build-crash"] if "build-crash" in file.read_text() else []
        waiting.append(pytest_job(f"e2e/{file.stem[5:]}", file, "build", needs))
        if "mark.asan" in file.read_text():
            waiting.append(pytest_job(f"e2e-asan/{file.stem[5:]}", file, "build-asan", ["build-asan"], ["-m", "asan"]))
    if long_run:
        jobs.append(Job("sim-long", ["build/tests/sim/sim", "--seeds", "100001..140000"]))
        waiting += [pytest_job(f"long/{file.stem[5:]}", file, "build") for file in sorted((ROOT / "tests/e2e").glob("long_*.py"))]
    return jobs + sorted(waiting, key=lambda job: -budget.get(job.name, 0.5))


def run_all(jobs):
    """Starts each job when it may; returns when all have ended. What stands on a job that failed is told as not run, which is a failure too."""
    changed = threading.Condition()
    names = {job.name: job for job in jobs}
    waiting_lanes = WAITING_LANES if os.geteuid() == 0 else 1

    def take(waits):
        for job in jobs:
            if job.status is None and job.waits == waits and job not in taken and all(names[name].status is not None for name in job.after):
                return job
        return None

    def lane(waits):
        while True:
            with changed:
                while not (job := take(waits)):
                    if all(other in taken for other in jobs if other.waits == waits):
                        return
                    changed.wait()
                taken.add(job)
            broken = [name for name in job.after if names[name].status != 0]
            if broken:
                job.status = 1
                print(f"FAILED   not run  {job.name}  it stands on {', '.join(broken)}", flush=True)
            else:
                job.run()
            with changed:
                changed.notify_all()

    taken = set()
    threads = [threading.Thread(target=lane, args=(waits,)) for waits in [False] + [True] * waiting_lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def only(jobs, wanted):
    """The jobs called @wanted, with what they stand on; all when nothing is wanted."""
    names = {job.name: job for job in jobs}
    if unknown := [name for name in wanted if name not in names]:
        sys.exit(f"run_tests: no suite '{unknown[0]}'; there are: {' '.join(names)}")
    kept = set(wanted)
    while more := {need for name in kept for need in names[name].after} - kept:
        kept |= more
    return [job for job in jobs if job.name in kept] if wanted else jobs


def read_budget():
    lines = (line.split("#")[0].split() for line in (ROOT / "tests/budget").read_text().splitlines())
    return {words[0]: float(words[1]) for words in lines if words}


def main(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("suites", nargs="*")
    options = parser.parse_args(words)
    budget = read_budget()
    os.environ["REEVE_WITHOUT"] = " ".join(options.without)
    (RESULTS / "bin").mkdir(parents=True, exist_ok=True)
    (RESULTS / "bin/python3").unlink(missing_ok=True)
    (RESULTS / "bin/python3").symlink_to("/usr/bin/python3")  # programs of tests are Debian's python3 also where another comes first, such as a slow wrapper
    os.environ["PATH"] = f"{RESULTS / 'bin'}:{os.environ['PATH']}"
    started = time.monotonic()
    jobs = only(jobs_of(budget, options.long), options.suites)
    run_all(jobs)
    print(f"\n{'suite':34}{'minutes':>8}{'budget':>8}")
    for job in sorted(jobs, key=lambda job: -job.minutes):
        share = budget.get(job.name)
        print(f"{job.name:34}{job.minutes:8.1f}{'-' if share is None else f'{share:.1f}':>8}{'  over' if share is not None and job.minutes > share else ''}")
    print(f"{'whole run, beside each other':34}{(time.monotonic() - started) / 60:8.1f}{budget.get('whole', 0):8.1f}")
    return 1 if any(job.status != 0 for job in jobs) else 0


sys.exit(main(sys.argv[1:]))
