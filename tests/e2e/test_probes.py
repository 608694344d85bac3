"""What counts as healthy: servers on either loopback, with bodies without end, that look at the Host, with blanks in their path; and what is said of others."""
import contextlib
import socket

# What a program answers to a request on its first argument's address.
SERVER = """
import os, socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(os.environ["AGENT_PORT"])))
listener.listen(8)
kept = []
while True:
    peer, _ = listener.accept()
    kept.append(peer)
    if sys.argv[2] == "smtp":
        peer.sendall(b"220 mail.example ESMTP\\r\\n")
        continue
    head = b""
    while b"\\r\\n\\r\\n" not in head and (piece := peer.recv(65536)):
        head += piece
    def answer(status, more=b"Content-Length: 0\\r\\n\\r\\n"):
        peer.sendall(b"HTTP/1.1 " + status + b"\\r\\n" + more)
    if sys.argv[2] == "large":
        answer(b"200 OK", b"Content-Length: 30000000\\r\\n\\r\\n" + b"x" * 1000)
    elif sys.argv[2] == "endless":
        answer(b"200 OK", b"Content-Type: text/event-stream\\r\\n\\r\\n")
    elif sys.argv[2] == "host":
        answer(b"200 OK" if b"Host: localhost:%d\\r\\n" % int(os.environ["AGENT_PORT"]) in head else b"421 Misdirected Request")
    elif sys.argv[2] == "blank":
        answer(b"200 OK" if head.startswith(b"GET /h?x=a%20b HTTP") else b"404 Not Found")
    elif sys.argv[2] == "continue":
        answer(b"103 Early Hints", b"Link: </x>\\r\\n\\r\\nHTTP/1.1 204 No Content\\r\\n\\r\\n")
    else:
        answer(b"200 OK")
"""


def agent(name, address, kind, health, port="auto"):
    return f'  - {{id: {name}, command: [python3, -S, server.py, "{address}", {kind}], health: {health}, config: {{port: {port}}}}}\n'


def job(name, *agents):
    return f"job: {{name: {name}}}\ndeployment: {{timeout: 20}}\nagents:\n" + "".join(agents)


def test_what_is_healthy(bare):
    (bare.directory / "server.py").write_text(SERVER)
    http = "{http: /x, timeout: 5}"
    bare.run("up", "-d", bare.job(job("well", agent("v6", "::1", "plain", http), agent("v6tcp", "::1", "plain", "{tcp: true}"), agent("v6found", "::1", "plain", "{timeout: 5}"),
                                      agent("v4", "127.0.0.1", "plain", http), agent("v4tcp", "127.0.0.1", "plain", "{tcp: true}"), agent("large", "127.0.0.1", "large", http),
                                      agent("endless", "127.0.0.1", "endless", http), agent("host", "127.0.0.1", "host", http), agent("hints", "127.0.0.1", "continue", http),
                                      agent("blank", "127.0.0.1", "blank", '{http: "/h?x=a b"}'))))
    assert {instance["health"] for instance in bare.deployment("well")["instances"]} == {"healthy"}
    (bare.directory / "mail.yaml").write_text(job("mail", agent("mail", "127.0.0.1", "smtp", "{http: /, timeout: 1}")).replace("timeout: 20", "timeout: 10"))
    said = bare.run("up", "-d", bare.directory / "mail.yaml", code=6).stderr
    assert "what answers there does not speak HTTP" in said, said


def test_a_port_taken_on_the_other_loopback(bare):
    (bare.directory / "server.py").write_text(SERVER)
    with contextlib.closing(socket.socket(socket.AF_INET6)) as foreign:
        foreign.bind(("::1", 0))
        foreign.listen(1)
        port = foreign.getsockname()[1]
        said = bare.run("up", "-d", bare.job(job("taken", agent("a", "127.0.0.1", "plain", "{http: /}", port))), code=None)
        assert said.returncode and f"port {port} is in use by pid " in said.stderr, said.stderr
