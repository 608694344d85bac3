"""What the values of a job file become: variables, env files, merge keys, values that are one file; and that validation says everything at once."""
import json
import subprocess

from conftest import BIN, wait_until

BOM = b"\xef\xbb\xbf"
JOB = r"""
x-shared: &shared {LEVEL: debug, REGION: north}
job: {name: values}
agents:
  - &one
    id: one
    kind: batch
    command: [sh, -c, 'echo "$$" > pid; for f in a b; do echo "$${f}" ${WHO}; done > words; env > environment']
    env_file: a.env
    environment:
      <<: *shared
      REGION: south
      SECRET: {secret: crlf}
      FILE: {file: value.txt}
    config: {model: "${MODEL:-small}", list: ["${WHO}", 2]}
  - <<: *one
    id: two
    command: [sh, -c, 'env > environment-of-two']
deployment: {timeout: 2m}
"""


def test_values_reach_the_agent(bare):
    (bare.directory / "a.env").write_bytes(BOM + b"FIRST=1\r\nexport TOKEN=x\nA=first\nA=second\nQ=\"v\" # note\nKEY='-----BEGIN\nab\n-----END'\nHASH=$2y$10$abc\nURL=http://${WHO}\n")
    (bare.directory / "value.txt").write_bytes(BOM + b"of a file\r\n")
    (bare.directory / "value.txt").chmod(0o600)
    bare.start()
    subprocess.run([BIN, "--data-dir", bare.data, "secret", "set", "crlf"], input=b"abc\r\n", env=bare.environment, check=True, timeout=60)
    bare.run("up", "-d", bare.job(JOB), WHO="ann", timeout=120)
    wait_until(lambda: (bare.directory / "environment-of-two").exists(), what="the second agent")
    words = (bare.directory / "words").read_text().split("\n")
    assert words == ["a ann", "b ann", ""] and int((bare.directory / "pid").read_text()) > 1
    text = (bare.directory / "environment").read_text()
    assert "\nKEY=-----BEGIN\nab\n-----END\n" in "\n" + text
    seen = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
    wanted = {"FIRST": "1", "TOKEN": "x", "A": "second", "Q": "v", "HASH": "$2y$10$abc", "URL": "http://ann", "SECRET": "abc", "FILE": "of a file", "LEVEL": "debug",
              "REGION": "south", "AGENT_MODEL": "small", "AGENT_LIST": '["ann", 2]'}
    assert {key: seen.get(key) for key in wanted} == wanted


def test_everything_at_once(bare):
    """What this machine lacks is said together with what is wrong in the file, also of agent files; each with its place."""
    for name, text in {"crlf.sh": "#!/bin/sh\r\nexit\r\n", "lost.sh": "#!/no/such/interpreter\n"}.items():
        (bare.directory / name).write_text(text, newline="")
        (bare.directory / name).chmod(0o755)
    (bare.directory / "critic.toml").write_text('[agent]\nname = "critic"\n[llm]\nprovider = "opnai"\nmodell = "tiny"\n')
    job = bare.job("""
job: {name: x}
agents:
  - {id: a, command: [no-such-program], health: {interval: soon}, config: {port: 9001}}
  - {id: b, module: no.such.module, config: {port: 9001}}
  - {id: c, command: [./crlf.sh]}
  - {id: d, command: [./lost.sh], ssh_key: x}
  - {id: e, command: python3 x.py}
  - {id: f, reeve: {agent: critic.toml}}
  - {id: g, command: [sleep, '1'], environment: {K: {file: none.txt}}}
  - {id: h, command: [sh, -c, 'echo ${UNSET_FOR_TEST}']}
topology: {type: ring}
""")
    done = bare.run("validate", "-o", "json", job, code=3)
    said = [(problem["file"].rsplit("/", 1)[-1], problem["line"], problem["message"]) for problem in json.loads(done.stdout)["problems"]]
    wanted = [("critic.toml", 4, "'llm.provider': unknown value 'opnai'; allowed: command, ollama, openai; did you mean 'openai'?"),
              ("critic.toml", 5, "unknown key 'modell' in 'llm'; did you mean 'model'?"),
              ("job.yaml", 4, "wanted seconds from 0.1 to 86400"), ("job.yaml", 4, "command 'no-such-program' is not in PATH"),
              ("job.yaml", 5, "port 9001 is also the port of agent 'a'"), ("job.yaml", 5, "no module 'no.such.module' in '"),
              ("job.yaml", 6, "has Windows line ends (CRLF)"), ("job.yaml", 7, "its interpreter '/no/such/interpreter' does not exist"),
              ("job.yaml", 8, "wanted a list of words"), ("job.yaml", 10, "variable 'K': file '"),
              ("job.yaml", 11, "variable 'UNSET_FOR_TEST' is not set; set it, or write ${UNSET_FOR_TEST:-default}, or $${UNSET_FOR_TEST} for the text itself"),
              ("job.yaml", 12, "unknown value 'ring'")]
    for file, line, message in wanted:
        assert any(one[:2] == (file, line) and message in one[2] for one in said), (file, line, message, said)
    assert not any("none of module" in message for _, _, message in said), "one mistake is one error"
