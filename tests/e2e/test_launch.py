"""The server that `reeve up` starts in the background: what it takes from whoever started it, and what not."""
import contextlib
import fcntl
import os
import signal
import subprocess

from conftest import BIN, wait_until

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
    held = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            held.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    assert held
    assert not [name for name in held if name.endswith("/deploy.lock")], held


def test_a_server_that_was_killed_comes_back_with_its_options(bare):
    """`up` starts the one that ran, also in another directory; `server stop` ends that."""
    agents = bare.directory / "agents"
    (agents / "one").mkdir(parents=True)
    (agents / "one" / "agent.toml").write_text('[agent]\nname = "One"\ndescription = "x"\n[llm]\nprovider = "command"\nmodel = "none"\ncommand = ["cat"]\n')
    subprocess.run([BIN, "--data-dir", bare.data, "server", "start", "--agents-dir", "agents", "--listen", "127.0.0.1:0"], env=bare.environment,
                   cwd=bare.directory, check=True, timeout=60)
    assert '"One"' in bare.run("agents", "-o", "json").stdout

    def end(how):
        pid = bare.get("/api/server")["pid"]
        os.kill(pid, how)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="the server is gone")

    end(signal.SIGKILL)
    told = bare.run("up", "-d", bare.job(JOB)).stderr
    assert f"starts with the options of the one before: --agents-dir {agents} --listen 127.0.0.1:0" in told
    assert '"One"' in bare.run("agents", "-o", "json").stdout
    bare.run("server", "stop", "--keep")
    bare.run("server", "start")
    assert '"One"' in bare.run("agents", "-o", "json").stdout and bare.get("/api/server")["listen"]
    bare.run("server", "stop", "--down")
    assert "options of the one before" not in bare.run("server", "start").stderr
    assert "watches no agents directory" in bare.run("agents", code=4).stderr and not bare.get("/api/server")["listen"]
