#!/usr/bin/env python3
"""Adds up what Meson and pytest wrote about their tests. Each failure stands with the suite it ran in and the lines that explain it, short, so that the end of
a log that was cut still tells them; the last line is plain: N passed, N failed (, N skipped).

usage: test_summary.py FILE...   junit files of pytest (.xml), logs of Meson (.json)"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

LINES_SHOWN, WIDTH_SHOWN = 4, 200
# Output of tests of hostile bytes stands in the files as it came; XML 1.0 allows no control characters but tab and newline.
UNFIT = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[1-9]|2[0-9]|3[01]));", re.I)
EXPLAINS = {".xml": re.compile(r"^E  |^\S+:\d+: |Error: "), ".json": re.compile(r"^not ok|^Bail out|ERROR|Sanitizer|^SUMMARY|assert", re.M)}


class Totals:
    passed = failed = skipped = 0

    def fail(self, name, why, kind):
        self.failed += 1
        lines = why.splitlines()
        told = [line for line in lines if EXPLAINS[kind].search(line)] or lines[-LINES_SHOWN:]
        print("\n".join([f"failed: {name}", *("    " + line.strip()[:WIDTH_SHOWN] for line in told[:LINES_SHOWN])]))

    def skip(self, name, why):
        self.skipped += 1
        print(f"skipped: {name}: {why}")


def tree(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    return ElementTree.fromstring(UNFIT.sub("?", re.sub(r"^<\?xml[^>]*\?>", "", text)))


def add_pytest(path, totals):
    for case in tree(path).iter("testcase"):
        name = f"{path.stem}: {case.get('classname').split('.')[-1]}.{case.get('name')}"
        broken = [part for part in (case.find("failure"), case.find("error")) if part is not None]
        if broken:
            totals.fail(name, "\n".join((part.text or "") + "\n" + part.get("message", "") for part in broken), ".xml")
        elif case.find("skipped") is not None:
            totals.skip(name, case.find("skipped").get("message", ""))
        else:
            totals.passed += 1


def add_meson(path, totals):
    """A program of TAP counts by its lines; one that ended without saying what failed (a crash, a time-out) is one failure more."""
    for line in path.read_text(errors="replace").splitlines():
        test = json.loads(line)
        name, output = f"{path.stem}: {test['name'].split(' / ')[-1]}", test.get("stdout", "")
        told = output + "\n" + test.get("stderr", "")
        points = re.findall(r"^(ok|not ok) \d+ ?(.*)$", output, re.M)
        skipped = [text for state, text in points if state == "ok" and "# SKIP" in text.upper()]
        failed = [text for state, text in points if state == "not ok"]
        totals.passed += len(points) - len(skipped) - len(failed)
        for text in skipped:
            totals.skip(name, text)
        for text in failed:
            totals.fail(f"{name} {text}", told, ".json")
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            totals.passed += not points
        elif test["result"] == "SKIP":
            totals.skip(name, "the whole of it")
        elif not failed:
            totals.fail(f"{name}: {test['result']} after {test['duration']:.0f} s, return code {test.get('returncode')}", told, ".json")


def main(words):
    totals = Totals()
    for path in map(pathlib.Path, words):
        (add_meson if path.suffix == ".json" else add_pytest)(path, totals)
    print(f"{totals.passed} passed, {totals.failed} failed" + (f", {totals.skipped} skipped" if totals.skipped else ""))
    return 1 if totals.failed or not totals.passed else 0


sys.exit(main(sys.argv[1:]))
