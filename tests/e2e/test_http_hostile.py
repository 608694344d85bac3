"""Hostile HTTP on the control socket and on an agent: the documented refusal, within its time, and the next honest request is answered."""
import contextlib
import json
import resource
import socket
import time

import pytest
from conftest import wait_until

AGENT = """
job: {name: face, version: "1", description: test}
agents:
  - {id: it, reeve: {agent: it.toml}, config: {port: auto}}
topology: {type: dynamic}
"""
AGENT_FILE = '[agent]\nname = "it"\n[llm]\ncommand = ["cat"]\n'

# name: (bytes, status). The path exists on both listeners.
ONE_SHOT = {
    "no length": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", 411),
    "two lengths": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    "two hosts": (b"GET /PATH HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n", 400),
    "no host": (b"GET /PATH HTTP/1.1\r\n\r\n", 400),
    "length and chunks": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "negative length": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
    "length over the limit": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388609\r\n\r\n", 413),
    "length beyond numbers": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
    "head over 16 KiB": (b"GET /PATH HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 17000 + b"\r\n\r\n", 431),
    "too many headers": (b"GET /PATH HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    "long target": (b"GET /" + b"x" * 17000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
    "NUL in a header": (b"GET /PATH HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 400),
    "bare line feed and blank before a colon": (b"GET /PATH HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400, 501)),
    "bad chunk size": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "escaped NUL in the path": (b"GET /PATH%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", (400, 404)),
    "bare CR in a value": (b"GET /PATH HTTP/1.1\r\nHost: localhost\r\nX-Abc:\rxAuthorization: Bearer T\r\n\r\n", 400),
    "bare CR at the end of the head": (b"GET /PATH HTTP/1.1\r\nHost: localhost\r\n\rX", 400),
    "bare LF": (b"GET /PATH HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400),
    "folded header": (b"GET /PATH HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 400),
    "another coding": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunks in HTTP/1.0": (b"POST /PATH HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "no line end behind a chunk": (b"POST /PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n", 400),
    "a proxy is wanted": (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "escaped slash": (b"GET /%2FPATH HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "up and out": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
}


class Listener:
    def __init__(self, path, address):
        self.path, self.address = path, address

    def connect(self):
        one = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
        one.settimeout(40)
        wait_until(lambda: self.try_connect(one), what="room in the queue of new connections")
        return one

    def try_connect(self, one):
        try:
            one.connect(self.address)
        except BlockingIOError:
            return False
        return True

    def status(self, data):
        """Sends @data and gives the status of the answer, whose connection must end by itself after a refusal of the front."""
        with contextlib.closing(self.connect()) as one:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                one.sendall(data.replace(b"/PATH", self.path.encode()))
            return read_status(one)

    def answers(self):
        return self.status(b"GET /PATH HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") in (200, 405)


def read_status(one):
    head = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in head and (piece := one.recv(65536)):
            head += piece
    assert head.startswith(b"HTTP/1.1 "), head[:100]
    status, body = int(head[9:12]), head.split(b"\r\n\r\n", 1)[1]
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += one.recv(65536)
    assert status < 400 or json.loads(body)["status"] == status, body
    return status


@pytest.fixture(params=["control socket", "agent"])
def listener(request, bare):
    if request.param == "agent":
        (bare.directory / "it.toml").write_text(AGENT_FILE)
        bare.run("up", "-d", bare.job(AGENT))
        return Listener("/health", ("127.0.0.1", bare.instances("face")["it"]["port"]))
    bare.run("server", "start")
    return Listener("/healthz", str(bare.data / "control.sock"))


def test_refused_at_once(listener):
    for name, (data, wanted) in ONE_SHOT.items():
        before = time.monotonic()
        status = listener.status(data)
        assert status in (wanted if isinstance(wanted, tuple) else (wanted,)), f"{name}: {status}"
        assert time.monotonic() - before < 9, name
    assert listener.answers()


@pytest.mark.asan
def test_slow_and_endless_side_by_side(listener):
    """A header dripped byte by byte, a body that never comes, chunks without end, and a connection that says nothing: all at once, each ended after
    about 10 s, while honest requests are answered."""
    before = time.monotonic()
    drip, body, chunks, silent = (listener.connect() for _ in range(4))
    body.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{" % listener.path.encode())
    chunks.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % listener.path.encode())
    text = iter(b"GET %s HTTP/1.1\r\nHost: localhost\r\nX-Slow: %s" % (listener.path.encode(), b"x" * 10000))
    open_ones = {drip: lambda: bytes([next(text)]), chunks: lambda: b"1\r\nx\r\n"}
    ended = {}
    for one in (drip, body, chunks, silent):
        one.settimeout(0.02)
    while len(ended) < 4:
        assert time.monotonic() - before < 60, f"still open: {4 - len(ended)}"
        for one in (drip, body, chunks, silent):
            if one in ended:
                continue
            try:
                if one in open_ones:
                    one.send(open_ones[one]())
                if not (piece := one.recv(65536)):
                    ended.setdefault(one, b"")
                else:
                    ended[one] = piece
            except TimeoutError:
                pass
            except OSError:
                ended.setdefault(one, b"")
        assert listener.answers()
    assert time.monotonic() - before > 5
    for one in (drip, body, chunks):
        assert ended[one].startswith(b"HTTP/1.1 408 "), (one, ended[one][:60])
        one.close()
    silent.close()


def test_body_without_end(listener):
    """More than the limit in chunks: refused as soon as it is too much."""
    with contextlib.closing(listener.connect()) as one:
        one.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % listener.path.encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(200):
                one.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        with contextlib.suppress(ConnectionResetError, AssertionError):
            assert read_status(one) == 413
    assert listener.answers()


def test_pipelined_and_half_closed(listener):
    """Two requests in one packet get two answers in order; a peer that closes its writing side still reads its answer."""
    request = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % listener.path.encode()
    with contextlib.closing(listener.connect()) as one:
        one.sendall(request + request)
        got = b""
        while got.count(b"HTTP/1.1 200") < 2:
            piece = one.recv(65536)
            assert piece, got
            got += piece
    with contextlib.closing(listener.connect()) as one:
        one.sendall(request)
        one.shutdown(socket.SHUT_WR)
        assert read_status(one) == 200


def test_offers_of_http2_are_passed_over(listener):
    """As Java's HttpClient and curl --http2 make them: both requests are answered on one connection."""
    offer = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" % listener.path.encode()
    with contextlib.closing(listener.connect()) as one:
        for request in (offer, offer, offer.replace(b"Connection: Upgrade", b"Connection: close")):
            one.sendall(request)
            assert read_status(one) == 200
        assert not one.recv(1)


def test_many_silent_connections(listener):
    """Connections that say nothing do not shut out others."""
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(contextlib.closing(listener.connect()))
        assert listener.answers()


def test_answers_left_unread(listener):
    """Peers that never read what they asked for cost nothing that lasts."""
    request = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % listener.path.encode()
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            one = stack.enter_context(contextlib.closing(listener.connect()))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.sendall(request * 100)
        assert listener.answers()
    wait_until(listener.answers, what="it still answers")


def test_browser_page_cannot_reach_an_agent(bare):
    (bare.directory / "it.toml").write_text(AGENT_FILE)
    bare.run("up", "-d", bare.job(AGENT))
    listener = Listener("/health", ("127.0.0.1", bare.instances("face")["it"]["port"]))
    assert listener.status(b"GET /PATH HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n") == 403


CONNECTIONS_MAX = 4096  # of one listener of the server: docs/operations.md "Limits"


def test_cap_of_tcp_connections(bare):
    """All connections of the API listener are taken: the next waits, nobody is cut off, the control socket has its own; one that leaves lets it in."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CONNECTIONS_MAX), hard))
    try:
        bare.start(REEVE_LISTEN="127.0.0.1:0")
        host, port = bare.get("/api/server")["listen"].rsplit(":", 1)
        listener = Listener("/healthz", (host, int(port)))
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with contextlib.ExitStack() as stack:
            held = []
            while len(held) < CONNECTIONS_MAX:
                held.append(stack.enter_context(contextlib.closing(listener.connect())))
                held[-1].sendall(request)
                assert read_status(held[-1]) == 200
            late = stack.enter_context(contextlib.closing(listener.connect()))
            late.sendall(request)
            assert all(bare.answers() for _ in range(10))  # the server has been round its loop, and had time for whoever is let in
            late.setblocking(False)
            with pytest.raises(BlockingIOError):
                late.recv(1)
            held[1].sendall(request)
            assert read_status(held[1]) == 200
            held[0].close()
            late.settimeout(10)
            assert read_status(late) == 200
        wait_until(listener.answers, what="everybody has left, and it answers")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
