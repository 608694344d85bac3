"""A small agent over HTTP: its card, its health, and an answer made of its own word and the answers of those whose URLs it was given. It imports little, so that
many of them start soon."""
import json
import os
import socket
import socketserver


class Agent:
    word = "agent"

    def __init__(self):
        self.name = os.environ.get("AGENT_NAME") or os.environ["AGENT_ID"]
        self.peers = [url for url in os.environ.get("CONNECTED_AGENTS", "").split(",") if url]

    def card(self):
        return {"name": self.name, "description": self.word, "url": f"http://localhost:{os.environ['AGENT_PORT']}", "version": "1.0.0",
                "capabilities": {"streaming": False, "push_notifications": False}, "default_input_modes": ["text"], "default_output_modes": ["text"],
                "skills": [{"id": self.word, "name": self.word, "description": self.word, "tags": [self.word], "examples": []}]}

    def answer(self, query):
        """A peer is asked for itself alone, so that a mesh does not ask for ever."""
        said = [f"{os.environ['AGENT_ID']}:{self.word}"]
        if query != "you":
            said += [ask(url, "you") for url in self.peers]
        return " ".join(said)

    def reply(self, method, path, body):
        """The value to answer with, or None for 404."""
        if method == "POST" and path == "/query":
            asked = json.loads(body)
            return {"response": self.answer(asked["query"]), "session_id": asked.get("session_id") or "s1"}
        return {"/health": {"status": "healthy", "agent": self.name}, "/.well-known/agent-configuration": self.card(),
                "/environment": dict(os.environ)}.get(path)


def ask(url, query):
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"query": query}).encode()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /query HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                           % (host.encode(), len(body), body))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["response"]


def serve(agent):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            method, path, _ = self.rfile.readline().decode().split(" ")
            length = 0
            for line in iter(self.rfile.readline, b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            value = agent.reply(method, path, self.rfile.read(length))
            body = json.dumps({"detail": "not found"} if value is None else value).encode()
            status = b"404 Not Found" if value is None else b"200 OK"
            self.wfile.write(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    Server(("127.0.0.1", int(os.environ["AGENT_PORT"])), Handler).serve_forever()
