"""The hub: asks every worker over HTTP, answers from what they said, and names who is missing."""
import concurrent.futures
import json
import os
import sys
import urllib.request


def peers():
    """[(name, url)] from the peers file, which Reeve keeps current, or from CONNECTED_AGENTS."""
    try:
        with open(os.environ["AGENT_PEERS_FILE"], encoding="utf-8") as file:
            return [(peer["id"], url) for peer in json.load(file) for url in peer["urls"]]
    except (KeyError, OSError, ValueError):
        return [(url, url) for url in os.environ.get("CONNECTED_AGENTS", "").split(",") if url]


def ask(peer, question):
    """(name, answer), or (name, None) when it does not answer."""
    name, url = peer
    body = json.dumps({"prompt": question}).encode()
    request = urllib.request.Request(url + "/prompt", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return name, json.load(answer)["response"]
    except (OSError, ValueError, KeyError):
        return name, None


question = sys.stdin.read().strip()
with concurrent.futures.ThreadPoolExecutor() as pool:
    answers = list(pool.map(lambda peer: ask(peer, question), peers()))
for name, answer in answers:
    if answer is not None:
        print(f"{name} says: {answer}.")
missing = [name for name, answer in answers if answer is None]
if missing:
    print("missing: " + ", ".join(missing))
