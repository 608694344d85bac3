"""Five hundred streams at once, through every door: each word arrives, in order, and the agent's memory stays flat."""
import contextlib
import os
import re
import selectors
import time

from agent_world import world  # noqa: F401 (a fixture)
from test_agent_doors import DOORS, ask

STREAMS = 500
SECONDS = float(os.environ.get("REEVE_STREAM_SECONDS", "12"))
PAUSE = 0.25
WARM = 3.0  # by then all streams flow
GROWTH_KIB = 6 * 1024


def read_all(agent, streams):
    """Reads until every stream has ended; the readings of memory on the way as (seconds, KiB)."""
    texts, readings, begun = {peer: bytearray() for peer in streams}, [], time.monotonic()
    with selectors.DefaultSelector() as ready:
        for peer in streams:
            peer.setblocking(False)
            ready.register(peer, selectors.EVENT_READ)
        while ready.get_map():
            now = time.monotonic() - begun
            assert now < SECONDS * 3 + 30, f"{len(ready.get_map())} streams have not ended"
            for key, _ in ready.select(0.5):
                piece = key.fileobj.recv(1 << 16)
                texts[key.fileobj] += piece
                if not piece:
                    ready.unregister(key.fileobj)
            if not readings or now - readings[-1][0] >= 1:
                readings.append((now, agent.memory_kib()))
    return [bytes(texts[peer]) for peer in streams], readings


def test_five_hundred_streams(world):
    agent = world.serve(llm=f"request_timeout = {SECONDS * 4 + 60}", more=f"[resources]\nmax_concurrent_requests = {STREAMS}")
    words = int(SECONDS / PAUSE)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(agent.raw(*ask(DOORS[i % len(DOORS)], f"@slow {PAUSE} {words}"))) for i in range(STREAMS)]
        texts, readings = read_all(agent, streams)
    expected = [f"w{i}" for i in range(words)]
    for i, text in enumerate(texts):
        body = re.sub(rb'"response":"(w\d+ ){2,}"', b"", text)  # the last event of our own doors says the whole again
        found = re.findall(rb"\bw\d+", body)
        assert [word.decode() for word in found] == expected, (DOORS[i % len(DOORS)], len(found), text[-500:])
    status = agent.get("/status")
    assert status["in_flight"] == 0 and status["errors"] == 0 and world.state()["whole"] == STREAMS
    warm = next(kib for at, kib in readings if at >= WARM)
    flowing = [kib for at, kib in readings if WARM <= at <= SECONDS - 0.5]
    print(f"{STREAMS} streams, {SECONDS} s: {readings[0][1]} KiB at first, {warm} warm, {max(flowing)} at most, {readings[-1][1]} at the end")
    assert len(flowing) >= 3 and max(flowing) - warm <= GROWTH_KIB, readings
