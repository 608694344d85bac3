"""The server that `reeve up` starts in the background: what it takes from whoever started it, and what not."""
import fcntl
import os
import subprocess

from conftest import BIN

JOB = 'job: {name: one}\nagents: [{id: a, command: [sleep, "1000"]}]\ntopology: {type: dynamic}\n'


def test_nothing_of_the_caller_lives_on_in_the_server(bare):
    """A lock that it holds is free when `up` ends, and a pipe has its end."""
    lock = os.open(bare.directory / "deploy.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    reader, writer = os.pipe()
    low = [os.dup(lock) for _ in range(3)]  # descriptors 3 and 4 and so on are of the caller too
    done = subprocess.run([BIN, "--data-dir", bare.data, "up", "-d", bare.job(JOB)], env=bare.environment, pass_fds=(lock, writer, *low), capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for fd in (lock, writer, *low):
        os.close(fd)
    os.set_blocking(reader, False)
    assert os.read(reader, 1) == b"", "the server has no end of the pipe"
    os.close(reader)
    with open(bare.directory / "deploy.lock", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    pid = bare.get("/api/server")["pid"]
    held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not [name for name in held if name.endswith("/deploy.lock")], held
