"""A registry where agents find each other: POST /agents/register {id, name, url}, GET /agents, GET /health. In memory: who registers stays
until it registers anew or the registry ends."""
import http.server
import json
import os
import signal
import sys

import talker

KNOWN = {}


class Registry(talker.Talker):
    def do_GET(self):
        if self.path == "/agents":
            self.send(200, {"agents": list(KNOWN.values())})
        else:
            super().do_GET()

    def do_POST(self):
        try:
            entry = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            KNOWN[str(entry["id"])] = {"id": str(entry["id"]), "name": str(entry["name"]), "url": str(entry["url"])}
        except (KeyError, TypeError, ValueError):
            self.send(422, {"detail": "wanted {\"id\": text, \"name\": text, \"url\": text}"})
            return
        print(f"{entry['id']} is at {entry['url']}", flush=True)
        self.send(200, KNOWN[entry["id"]])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["AGENT_PORT"])), Registry).serve_forever()
