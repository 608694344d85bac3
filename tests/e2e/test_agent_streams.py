"""Five hundred streams at once, through every door: each word arrives, in order, and the agent's memory stays flat. So it does behind a reader
that is slower than its model: that one is held back, and no word is lost."""
import contextlib
import os
import re
import selectors
import time

import pytest
from agent_world import world  # noqa: F401 (a fixture)
from conftest import wait_until
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


HELD_MIB = 50
HELD_GROWTH_KIB = 8 * 1024  # the text of the answer, a quarter of a MiB of stream, and some air


def test_a_slow_reader_holds_the_model_back(world):
    """A reader that stops again and again, in front of a model that says 50 MiB as fast as it can."""
    agent = world.serve(provider="openai", llm="idle_timeout = 20")
    before, most, text, stops = agent.memory_kib(), 0, bytearray(), 0
    with agent.raw(*ask("openai", f"@words {HELD_MIB}")) as peer:
        while True:
            if stops * 10 << 20 <= len(text) < 35 << 20:
                wait_until(lambda: agent.get("/status")["held_back"] == 1, what="the model is held back")
                sent = world.state()["sent"]
                assert sent < HELD_MIB << 20, "the model said all of it to a reader that had not read"
                most = max(most, agent.memory_kib())
                stops += 1
            piece = peer.recv(1 << 16)
            if not piece:
                break
            text += piece
    assert stops == 4
    found = re.findall(rb'"content":"w(\d+) "', bytes(text))
    assert len(found) > 200000 and [int(n) for n in found] == list(range(len(found)))
    assert text.rstrip().endswith(b"data: [DONE]\n\n\r\n0") and world.state()["whole"] == 1
    print(f"{HELD_MIB} MiB, {len(found)} words, {stops} stops: {before} KiB at first, {most} at most")
    assert most - before <= HELD_GROWTH_KIB
    assert agent.get("/status")["held_back"] == 0


@pytest.mark.parametrize("door", DOORS)
def test_a_reader_that_stops_for_a_while_misses_nothing(world, door):
    agent = world.serve()
    with agent.raw(*ask(door, "@words 24")) as peer:
        wait_until(lambda: agent.get("/status")["held_back"] == 1, what="the model is held back")
        text = bytearray()
        while piece := peer.recv(1 << 18):
            text += piece
    body = re.sub(rb'"response":"(w\d+ ){2,}', b"", bytes(text))  # our own doors say the whole again
    found = [int(n) for n in re.findall(rb"\bw(\d+)", body)]
    assert len(found) > 50000 and found == list(range(len(found))), (len(found), found[-3:], text[-300:])
    assert world.state()["whole"] == 1 and agent.get("/status")["errors"] == 0


def test_a_task_goes_at_the_pace_of_its_fastest_reader(world):
    agent = world.serve()
    with agent.raw(*ask("a2a", "@words 24")) as slow:
        wait_until(lambda: agent.get("/status")["held_back"] == 1, what="the model is held back")
        task = agent.rpc("ListTasks", {})["result"]["tasks"][0]["id"]
        body = {"jsonrpc": "2.0", "id": 2, "method": "SubscribeToTask", "params": {"id": task}}
        with agent.raw("/a2a", body) as fast:
            text = bytearray()
            while piece := fast.recv(1 << 18):
                text += piece
        assert b"TASK_STATE_COMPLETED" in text[-2000:]
        assert "reader is too slow" in agent.log.read_text()
        got = bytearray()
        while piece := slow.recv(1 << 18):
            got += piece
    assert b"too slowly; the task goes on" in got[-2000:]
