#!/usr/bin/env python3
"""Adds up junit files of Meson and pytest and ends with one plain line: N passed, N failed (, N skipped)."""
import re
import sys
import xml.etree.ElementTree as ElementTree


# Output of tests of hostile bytes stands in the files as it came; XML 1.0 allows no control characters but tab and newline.
UNFIT = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[1-9]|2[0-9]|3[01]));", re.I)


def tree(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return ElementTree.fromstring(UNFIT.sub("?", re.sub(r"^<\?xml[^>]*\?>", "", file.read())))


def counts(path):
    passed = failed = skipped = 0
    for case in tree(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"failed: {case.get('classname')}.{case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
            print(f"skipped: {case.get('classname')}.{case.get('name')}: {case.find('skipped').get('message', '')}")
        else:
            passed += 1
    return passed, failed, skipped


def main(paths):
    totals = [sum(column) for column in zip(*(counts(path) for path in paths))] or [0, 0, 0]
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1:]))
