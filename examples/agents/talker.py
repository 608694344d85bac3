"""An agent over HTTP in the standard library alone: GET /health, POST /prompt. Asked something, it asks its peers too and tells what each said,
or who is missing. What Reeve gives it: AGENT_ID, AGENT_PORT, AGENT_PEERS_FILE (kept current), AGENT_SAYS (`config: {says: ...}` of the job), and in
a dynamic job AGENT_REGISTRY_URL."""
import concurrent.futures
import http.server
import json
import os
import signal
import sys
import threading
import urllib.request

NAME = os.environ.get("AGENT_ID", "talker")


def fetch(url, body=None, timeout=5):
    """The JSON behind @url; OSError or ValueError when there is none."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=timeout) as answer:
        return json.load(answer)


def peers():
    """{id: url}: those whom the topology connects us to, or, where there is a registry, all that are healthy there."""
    registry = os.environ.get("AGENT_REGISTRY_URL")
    try:
        if registry:
            return {agent["id"]: agent["url"] for agent in fetch(registry + "/agents/search?tag=talker") if agent["id"] != NAME}
        with open(os.environ["AGENT_PEERS_FILE"], encoding="utf-8") as file:
            return {peer["id"]: peer["urls"][0] for peer in json.load(file) if peer["urls"]}
    except (KeyError, OSError, ValueError):
        return {}


def ask(url, prompt, seen):
    try:
        return fetch(url + "/prompt", {"prompt": prompt, "seen": seen})["response"]
    except (OSError, ValueError, KeyError):
        return None


def answer(prompt, seen):
    """Asks every peer that was not asked on the way here, so that a mesh comes to an end."""
    others = {name: url for name, url in peers().items() if name not in seen}
    seen = [*seen, NAME, *others]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        said = dict(zip(others, pool.map(lambda url: ask(url, prompt, seen), others.values())))
    words = [f"{NAME}: {os.environ.get('AGENT_SAYS', 'I heard')} '{prompt}'", *(text for text in said.values() if text)]
    missing = [name for name, text in said.items() if text is None]
    return "; ".join(words + ([f"missing: {', '.join(missing)}"] if missing else []))


class Talker(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path == "/health":
            self.send(200, {"status": "healthy", "agent": NAME})
        else:
            self.send(404, {"detail": "no such path"})

    def do_POST(self):
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt, seen = str(body["prompt"]), [str(name) for name in body.get("seen", [])]
        except (KeyError, TypeError, ValueError):
            self.send(422, {"detail": "wanted {\"prompt\": text}"})
            return
        print(f"{NAME} is asked '{prompt}'", flush=True)
        self.send(200, {"response": answer(prompt, seen), "agent": NAME})

    def log_message(self, *args):
        pass  # probes would fill the log


def register():
    """Reeve has entered us into the registry already; this adds what others may look for. The server may be away: we try until it answers."""
    registry, done = os.environ["AGENT_REGISTRY_URL"], threading.Event()
    us = {"id": NAME, "name": NAME, "url": f"http://localhost:{os.environ['AGENT_PORT']}", "description": os.environ.get("AGENT_SAYS", ""), "tags": ["talker"]}
    while not done.wait(0.2):
        try:
            fetch(registry + "/agents/register", us)
            done.set()
        except OSError:
            continue


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["AGENT_PORT"])), Talker)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if "AGENT_REGISTRY_URL" in os.environ:
        threading.Thread(target=register, daemon=True).start()
    print(f"{NAME} listens on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
