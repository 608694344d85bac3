/* Owns the table of verbs. Help, completion and man pages are written from these rows and from
 * nothing else; they are handed the table, so that verbs may call them. */
#include "cli/cli.h"

#define OPTIONS(...) ((const OptionId[]){__VA_ARGS__, OPT_N})
#define TEXTS(...)   ((const OptionText[]){__VA_ARGS__, {OPT_N, NULL}})

static const Verb rows[] = {
    {.name = "validate",
     .words = "FILE",
     .summary = "check a job file and say everything that is wrong with it",
     .details =
         "Reads FILE, checks its syntax, its names and references, cycles and ports, and what it needs of this machine: commands, modules, "
         "directories, users, key files. Every problem is printed as file:line:column with what is allowed. Needs no server and starts "
         "nothing. Exit code 3 means that there are errors.",
     .examples =
         "reeve validate examples/desk/job.yaml\nreeve validate --strict job.yaml   # warnings are errors",
     .options = OPTIONS(OPT_STRICT),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_FILE,
     .run = cmd_validate},
    {.name = "plan",
     .words = "FILE",
     .summary = "show stages, URLs and connections of a job without starting it",
     .details =
         "Prints in which order the agents of FILE would start, where each listens, and whose URL each is given. Needs no server.",
     .examples =
         "reeve plan job.yaml\nreeve plan -o json job.yaml\nreeve plan -o dot job.yaml | dot -Tsvg > plan.svg",
     .options = OPTIONS(OPT_FORMAT, OPT_STRICT),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_FILE,
     .run = cmd_plan},
    {.name = "up",
     .words = "FILE",
     .summary = "bring a job up, stage by stage, each agent gated on its health",
     .details =
         "Starts a server in the background if none runs, deploys FILE and shows progress. Then it stays and prints what the agents print; "
         "Ctrl-C stops them, Ctrl-C again leaves them running. A lost terminal leaves them running too. When a job of the same name runs "
         "already, the difference is shown and becomes a new revision: agents that changed are replaced a few at a time, in stage order, each "
         "gated on its health; when one fails everything goes back. --dry-run shows that without doing it, and prints the id of the plan; --plan ID deploys only if the plan is "
         "still the same. --watch deploys again whenever FILE, or an agent file or env file that it names, changes; a broken file is told "
         "and changes nothing. The exit code tells the outcome: 0 running, 6 failed, 7 rolled back, "
         "8 cancelled.",
     .examples =
         "reeve up job.yaml\nreeve up -d job.yaml          # return when everything runs\nreeve up --dry-run job.yaml   # what would change\nreeve up --monitor job.yaml   # health "
         "instead of logs",
     .options = OPTIONS(OPT_DETACH, OPT_MONITOR, OPT_WATCH, OPT_DRY_RUN, OPT_PLAN, OPT_REPLACE,
                        OPT_STRICT, OPT_TIMEOUT),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_FILE,
     .run = cmd_up},
    {.name = "diff",
     .words = "FILE|NAME",
     .summary = "show what a file would change, or how two revisions differ",
     .details =
         "Agents added, changed and removed, key by key, and whose environment is stale. With a FILE: against what runs. With the NAME of a "
         "deployment: its present revision against the one before, or --from and --to. Values of keys that sound like secrets are not shown.",
     .examples = "reeve diff job.yaml\nreeve diff --from 1 --to 3 desk",
     .options = OPTIONS(OPT_FROM, OPT_TO, OPT_STRICT),
     .texts = TEXTS({OPT_TO, "revision to compare (default: the present one)"}),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_FILE,
     .run = cmd_diff},
    {.name = "down",
     .words = "NAME",
     .summary = "stop a deployment, in reverse order",
     .details =
         "Stops the agents of NAME, last stage first: the stop signal, then after the grace period the end of the whole process tree. "
         "Logs and history stay, unless --forget.",
     .examples = "reeve down desk\nreeve down --forget desk   # remove it with its logs",
     .options = OPTIONS(OPT_TIMEOUT, OPT_FORGET),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .instead = "To run it again: reeve restart TARGET; to run fewer of it: reeve scale TARGET=N",
     .destructive = true,
     .run = cmd_down},
    {.name = "ps",
     .words = "[NAME[/AGENT]]",
     .summary = "list deployments and their instances",
     .details =
         "Without NAME: the instances of every deployment that is not stopped, with -a also of those that are; -o json has them always. -o wide adds nodes, ids, revisions, restarts and last exits, and replicas that are no longer wanted.",
     .examples = "reeve ps\nreeve ps -a\nreeve ps -o wide desk\nreeve ps desk/web",
     .options = OPTIONS(OPT_ALL),
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_ps},
    {.name = "status",
     .words = "[NAME[/AGENT]]",
     .summary = "show how deployments are, and why",
     .details =
         "Status, revision, last rollout and every instance with its health and reason. Exit code 14 when an agent of NAME is failed or "
         "unhealthy.",
     .examples = "reeve status\nreeve status desk\nreeve status -o json desk",
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_status},
    {.name = "logs",
     .words = "NAME [AGENT]",
     .summary = "print what agents wrote, also of dead instances",
     .details =
         "Merges the lines of all instances in the order of time. NAME AGENT may be written NAME/AGENT. With -o json every line is one "
         "JSON object.",
     .examples = "reeve logs -f desk\nreeve logs --since 5m --tail 100 desk boss",
     .options = OPTIONS(OPT_FOLLOW, OPT_SINCE, OPT_TAIL),
     .words_min = 1,
     .words_max = 2,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_logs},
    {.name = "restart",
     .words = "NAME [AGENT]",
     .summary = "restart the agents of a deployment, or one of them",
     .details =
         "Agents are restarted in stage order, each gated on its health; ports and URLs stay. With --rolling only a few at a time are out, "
         "as in an update. NAME AGENT may be written NAME/AGENT.",
     .examples = "reeve restart desk\nreeve restart --rolling desk\nreeve restart desk boss",
     .options = OPTIONS(OPT_ROLLING, OPT_TIMEOUT),
     .words_min = 1,
     .words_max = 2,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_restart},
    {.name = "scale",
     .words = "NAME AGENT=N...|NAME/AGENT=N...",
     .summary = "change the number of replicas of an agent",
     .details =
         "Makes a new revision with N replicas and rolls it out; what already runs is left alone. The job file is not touched: the next "
         "`reeve up` of it takes its number again.",
     .examples = "reeve scale desk weather=3\nreeve scale desk/weather=3",
     .options = OPTIONS(OPT_TIMEOUT),
     .words_min = 1,
     .words_max = -1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_scale},
    {.name = "schedules",
     .words = "[NAME[/AGENT]]",
     .summary = "list agents that run by the clock, with their last runs",
     .details =
         "When each is due next, and how its last run ended. Times are from now; -o wide has the points in time, and what happens when a run is due before the last has ended. With NAME or -o wide also the runs before: completed, failed, skipped because the "
         "former still went, missed while no server looked.",
     .examples = "reeve schedules\nreeve schedules -o wide nightly",
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_schedules},
    {.name = "run",
     .words = "NAME/AGENT",
     .summary = "run a scheduled agent now",
     .details =
         "Starts it at once and waits for its end: exit code 0 when it completed, 6 when it failed. With -d it does not wait.",
     .examples = "reeve run nightly/report\nreeve run -d nightly/report",
     .options = OPTIONS(OPT_DETACH, OPT_TIMEOUT),
     .texts = TEXTS({OPT_DETACH, "return when the run has begun"}),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_run},
    {.name = "monitor",
     .words = "[NAME[/AGENT]]",
     .summary = "print every change of state and health as it happens",
     .details =
         "Follows the events of NAME, or of everything, until Ctrl-C. With -o json every event is one JSON object.",
     .examples = "reeve monitor desk",
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_monitor},
    {.name = "wait",
     .words = "NAME",
     .summary = "wait until a deployment runs, has stopped or has completed",
     .details =
         "Returns 0 as soon as the state is reached, 6 when it does not come by itself any more (the deployment failed, was "
         "stopped, or an agent is not started again), 9 when the time is over.",
     .examples = "reeve wait desk\nreeve wait --for stopped --timeout 30s desk",
     .options = OPTIONS(OPT_FOR, OPT_TIMEOUT),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .instead = "How it is now: reeve status TARGET; to wait for all of NAME: reeve wait NAME",
     .run = cmd_wait},
    {.name = "prompt",
     .words = "NAME[/AGENT] TEXT...",
     .summary = "send a text to an agent and print its answer",
     .details =
         "Without AGENT the text goes to the hub or root of the topology, else to the first agent with a port. The answer is printed "
         "as it comes. Text that begins with a dash stands behind --. An agent that wants a key is given that of AGENT_API_KEY.",
     .examples = "reeve prompt desk What happened today?\nreeve prompt desk/news 'any rain?'",
     .options = OPTIONS(OPT_TIMEOUT),
     .texts = TEXTS(
         {OPT_TIMEOUT, "give up the answer after TIME (default 10m): seconds, or 30s, 5m, 2h"}),
     .words_min = 2,
     .words_max = -1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_prompt},
    {.name = "chat",
     .words = "NAME[/AGENT]",
     .summary = "talk with an agent, which remembers what was said",
     .details =
         "Each line is a question in one session; the answer is printed as it comes. Ctrl-C stops an answer, /quit or the end of the "
         "input the talk. The exit code is that of the last question.",
     .examples = "reeve chat desk\nreeve chat desk/news < questions.txt",
     .options = OPTIONS(OPT_TIMEOUT),
     .texts = TEXTS(
         {OPT_TIMEOUT, "give up an answer after TIME (default 10m): seconds, or 30s, 5m, 2h"}),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_chat},
    {.name = "exec",
     .words = "NAME[/AGENT[/REPLICA]] -- COMMAND...",
     .summary = "run a command beside an agent",
     .details =
         "Runs COMMAND on the agent's node, in its directory, with its variables, as its user and within its limits; its input is "
         "closed. What it prints is printed, and its exit code is returned: 128 and the number for a signal, 127 when it cannot be "
         "run. Ctrl-C ends it, and so does --timeout (exit code 9). The audit trail keeps who ran which program, not its "
         "arguments.",
     .examples =
         "reeve exec desk/boss -- env\nreeve exec --timeout 10s desk/boss -- sh -c 'cat *.log'",
     .options = OPTIONS(OPT_TIMEOUT),
     .texts = TEXTS({OPT_TIMEOUT, "end the command after TIME: seconds, or 500ms, 30s, 5m, 2h"}),
     .words_min = 2,
     .words_max = -1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_exec},
    {.name = "why",
     .words = "NAME[/AGENT]",
     .summary = "explain why a deployment is not as it should be",
     .details =
         "Names the agents that hold it up, each with the cause, its last output and when it is started again, and the commands that may help.",
     .examples = "reeve why desk",
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_why},
    {.name = "history",
     .words = "NAME[/AGENT]",
     .summary = "list revisions and rollouts of a deployment",
     .details = "What was deployed when and by whom, and how each rollout ended.",
     .examples = "reeve history desk",
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_history},
    {.name = "rollback",
     .words = "NAME",
     .summary = "go back to an earlier revision",
     .details =
         "Deploys the job of an earlier revision again: of the last one that ran, or of --to. It says which before it starts. Code in a working directory is not part of a revision: it stays as it is now.",
     .examples = "reeve rollback desk\nreeve rollback --to 3 desk",
     .options = OPTIONS(OPT_TO, OPT_TIMEOUT),
     .texts = TEXTS({OPT_TO, "revision to go back to (default: the last good one)"}),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .instead = "A revision is of all of NAME: reeve rollback NAME",
     .destructive = true,
     .run = cmd_rollback},
    {.name = "cancel",
     .words = "NAME",
     .summary = "end a rollout that is still running, and go back",
     .details =
         "The rollout fails as if an agent had not become healthy: an update goes back to the former revision, a first deployment is stopped "
         "or kept as its job says. A restart stops where it is. Waits for that; exit code 5 when no rollout is running.",
     .examples = "reeve cancel desk",
     .options = OPTIONS(OPT_TIMEOUT),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .instead = "A rollout is about all of NAME: reeve cancel NAME",
     .destructive = true,
     .run = cmd_cancel},
    {.name = "events",
     .words = "[NAME[/AGENT]]",
     .summary = "print the event stream as it comes",
     .details =
         "Each event is one line: its type and its data as JSON. The stream begins with reset and a snapshot, and goes on until "
         "Ctrl-C, with -f or without.",
     .examples = "reeve events\nreeve events -f desk",
     .options = OPTIONS(OPT_FOLLOW),
     .texts = TEXTS({OPT_FOLLOW, "as without: the stream goes on until Ctrl-C"}),
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .run = cmd_events},
    {.name = "server",
     .words = "[start|stop|status]",
     .summary = "run the server, or start and stop it in the background",
     .details =
         "Without a word the server runs in the foreground. `stop` refuses while agents run and names them; --keep leaves them "
         "running, to be "
         "adopted by the next server, --down stops them in reverse order. Beside its control socket the server serves the API over "
         "TCP on loopback, for those who have a token: 'reeve token create'. REEVE_LISTEN does the same as --listen. With --agents-dir, or a deployment block in the "
         "configuration file, agent files are found and can be deployed by name. A server of root runs agents that name no user as root; with "
         "--agents-user they run as another, who can neither read its files nor use its control socket.",
     .examples =
         "reeve server start\nreeve server --agents-dir agents   # with an agents directory\nreeve server status\nreeve server stop --keep   # agents go on\nreeve server stop --down   # agents "
         "stop first",
     .options = OPTIONS(OPT_AGENTS_DIR, OPT_AGENTS_USER, OPT_CONFIG, OPT_KEEP, OPT_DOWN, OPT_LISTEN,
                        OPT_ALLOW_ORIGIN, OPT_NODE_SOCKET, OPT_VERBOSE, OPT_TIMEOUT),
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_CHOICE,
     .choices = "start|stop|status",
     .run = cmd_server},
    {.name = "agents",
     .words = "",
     .summary = "list the agents of the server's agents directory",
     .details =
         "What the server found in the directory that it was started with (--agents-dir): discovered, running, failed, stopped, or "
         "invalid with what is wrong with the file and where.",
     .examples = "reeve agents\nreeve agents -o json",
     .words_min = 0,
     .words_max = 0,
     .run = cmd_agents},
    {.name = "deploy",
     .words = "AGENT",
     .summary = "deploy an agent of the agents directory as its file is now",
     .details =
         "Starts AGENT on the next free port from 8100 up, or on the port that it had before, and waits until it is healthy. A deployed "
         "agent is a deployment of its own name: status, logs, restart, why and history work on it.",
     .examples = "reeve deploy LogReader\nreeve status LogReader",
     .options = OPTIONS(OPT_TIMEOUT),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_AGENT,
     .run = cmd_deploy},
    {.name = "undeploy",
     .words = "AGENT",
     .summary = "stop an agent of the agents directory",
     .details =
         "The stop signal, then after the grace period the end of the whole process tree. Its port is free for others until it is "
         "deployed again.",
     .examples = "reeve undeploy LogReader",
     .options = OPTIONS(OPT_TIMEOUT),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_AGENT,
     .destructive = true,
     .run = cmd_undeploy},
    {.name = "token",
     .words = "create|list|revoke [NAME]",
     .summary = "make, list and revoke tokens for the API over TCP",
     .details =
         "A token is printed once, when it is made; the server keeps only its hash. Roles: viewer reads, operator changes deployments, "
         "admin also manages tokens, secrets and the server. With --server URL, or REEVE_SERVER, any verb talks to a server over TCP; its "
         "token is taken from REEVE_TOKEN, else from the file that REEVE_TOKEN_FILE names, else from ~/.config/reeve/token. The file must "
         "be yours alone (mode 0600).",
     .examples =
         "reeve token create ci --role operator --expires 30d\nreeve token list\nreeve token revoke ci\n"
         "REEVE_TOKEN=... reeve --server http://127.0.0.1:7373 ps",
     .options = OPTIONS(OPT_ROLE, OPT_EXPIRES),
     .words_min = 1,
     .words_max = 2,
     .word_kind = WORDS_CHOICE,
     .choices = "create|list|revoke",
     .run = cmd_token},
    {.name = "secret",
     .words = "set|list|rm [NAME]",
     .summary = "keep values that agents need and nobody should read",
     .details =
         "A job names a secret in an environment: KEY: {secret: NAME}. Its value comes from stdin or --from-file, is kept encrypted, and is given "
         "to the agent when it starts; it stands in no file, log, listing or argument. One line end at its end is left out. Agents that run keep "
         "the old value of a changed secret until they restart; status says which. A secret that running agents use is not removed.",
     .examples =
         "reeve secret set openai-key < key.txt\nreeve secret set db --from-file password\nreeve secret list\nreeve secret rm db",
     .options = OPTIONS(OPT_FROM_FILE),
     .words_min = 1,
     .words_max = 2,
     .word_kind = WORDS_CHOICE,
     .choices = "set|list|rm",
     .run = cmd_secret},
    {.name = "audit",
     .words = "[OBJECT]",
     .summary = "show who did what",
     .details =
         "The trail of what people and programs changed, kept for good; of OBJECT (a deployment, token or secret), or of everything.",
     .examples = "reeve audit\nreeve audit --since 1d --tail 20 desk",
     .options = OPTIONS(OPT_SINCE, OPT_TAIL),
     .texts = TEXTS({OPT_TAIL, "only the last N entries (default 100)"}),
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_DEPLOYMENT,
     .instead = "See: reeve audit NAME",
     .run = cmd_audit},
    {.name = "service",
     .words = "install|uninstall|status",
     .summary = "start the server with the machine, by systemd",
     .details =
         "Writes a unit for this program and its state directory and starts it: of the system as root, of the user else (then 'loginctl enable-linger' "
         "starts it at boot). A stop or restart of the unit leaves the agents running; the next start adopts them. After a reboot everything that "
         "was meant to run comes up again in stage order.",
     .examples =
         "reeve service install\nreeve service install --print   # only show the unit\nreeve service status",
     .options = OPTIONS(OPT_AGENTS_USER, OPT_PRINT, OPT_LISTEN),
     .texts = TEXTS({OPT_LISTEN, "the HOST:PORT that the unit gives the server"}),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_CHOICE,
     .choices = "install|uninstall|status",
     .run = cmd_service},
    {.name = "backup",
     .words = "FILE",
     .summary = "write everything that the server knows to one file",
     .details =
         "A whole and consistent copy of the store, with a manifest and checksums, while the server runs or not; nothing waits for it. FILE must not "
         "exist; it is yours alone (mode 0600). Secrets are in it encrypted; the key that opens them is not, unless --with-key. What agents wrote "
         "(logs) is not in it. The checksum of the database is printed.",
     .examples =
         "reeve backup /backup/reeve.backup\nreeve backup --with-key reeve.backup   # opens the secrets: guard it",
     .options = OPTIONS(OPT_WITH_KEY),
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_FILE,
     .run = cmd_backup},
    {.name = "restore",
     .words = "FILE",
     .summary = "put a backup in place of what the server knows",
     .details =
         "The server must be stopped ('reeve server stop --keep': agents go on). Everything in FILE is checked before anything is changed; what was "
         "there is kept in a directory beside. The next server adopts the agents that the backup knows, and stops those that it does not.",
     .examples = "reeve server stop --keep\nreeve restore /backup/reeve.backup\nreeve server start",
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_FILE,
     .run = cmd_restore},
    {.name = "node",
     .words = "[reset]",
     .summary = "run a node as a process of its own",
     .details =
         "Dials the node socket of a server that was started with --node-socket, and carries out what it is told. Its state lives in "
         "--data-dir. A node obeys the servers of one store only, so that one with another database, or an older copy of it, ends nothing. "
         "Where that store is gone for good, 'reeve node reset' frees a node that does not run: it ends every agent that the node holds, "
         "removes their logs and forgets the store. Until then they run on.",
     .examples = "reeve node --server /run/reeve/node.sock --data-dir /var/lib/reeve-node\n"
                 "reeve node reset --data-dir /var/lib/reeve-node   # ends its agents",
     .options = OPTIONS(OPT_AGENTS_USER, OPT_VERBOSE),
     .texts = TEXTS({OPT_SERVER, "node socket of the server to dial"}),
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_CHOICE,
     .choices = "reset",
     .destructive = true,
     .run = cmd_node},
    {.name = "agent",
     .words = "serve|key [NAME]",
     .summary = "serve an agent over HTTP; print the key of agents",
     .details =
         "serve answers prompts with the brain that FILE names. It stops in order on SIGTERM: requests in flight are answered first. "
         "key prints the key that opens the agents which Reeve serves in deployment NAME, wherever a key is asked for; programs send it "
         "as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.",
     .examples =
         "reeve agent serve --port 8100 --agent agent.toml\nAGENT_API_KEY=$(reeve agent key desk) reeve prompt desk hello",
     .options = OPTIONS(OPT_PORT, OPT_HOST, OPT_AGENT),
     .words_min = 1,
     .words_max = 2,
     .word_kind = WORDS_CHOICE,
     .choices = "serve|key",
     .run = cmd_agent},
    {.name = "shell",
     .words = "",
     .summary = "type verbs interactively, or read them from a pipe",
     .details =
         "Each line is a verb with its words and options, without 'reeve' in front. Tab completes verbs, options, names of deployments "
         "and agents, and files; the history is kept in ~/.local/state/reeve/shell_history, but for lines that begin with a blank. "
         "Ctrl-C ends the command that runs, Ctrl-D or quit the shell. 'list deployment' and 'list agents' show the agents directory. "
         "Lines from a pipe are run one after the other; the exit code is that of the last.",
     .examples = "reeve shell\nreeve shell -e < commands.txt   # end at the first that fails",
     .options = OPTIONS(OPT_ERREXIT),
     .words_min = 0,
     .words_max = 0,
     .run = cmd_shell},
    {.name = "doctor",
     .words = "",
     .summary = "check this machine and the server",
     .details =
         "Store, control socket, cgroups, python3, disk space, limits. Exit code 1 when something is a problem.",
     .examples = "reeve doctor",
     .words_min = 0,
     .words_max = 0,
     .run = cmd_doctor},
    {.name = "version",
     .words = "",
     .summary = "print the version",
     .details = "Of this program, and of the server if one answers.",
     .examples = "reeve version -o json",
     .words_min = 0,
     .words_max = 0,
     .run = cmd_version},
    {.name = "completion",
     .words = "bash|zsh|fish",
     .summary = "write a completion script for a shell",
     .details = "Load it in your shell's start file.",
     .examples =
         "source <(reeve completion bash)\nreeve completion fish > ~/.config/fish/completions/reeve.fish",
     .words_min = 1,
     .words_max = 1,
     .word_kind = WORDS_CHOICE,
     .choices = "bash|zsh|fish",
     .run = cmd_completion},
    {.name = "help",
     .words = "[VERB]",
     .summary = "explain a verb, or list all",
     .details = "With --man the page is written in the format of man.",
     .examples = "reeve help up\nreeve help --man up | man -l -",
     .options = OPTIONS(OPT_MAN),
     .words_min = 0,
     .words_max = 1,
     .word_kind = WORDS_VERB,
     .run = cmd_help},
    {.name = "complete",
     .words = "",
     .summary = "say how a command line can go on, for completion scripts",
     .details =
         "LINE is a command line up to the cursor, with the name of this program. The first line of the answer is words, files or directories; then comes one word a "
         "line, behind a tab what it is.",
     .examples = "reeve complete --line 'reeve lo'",
     .options = OPTIONS(OPT_LINE),
     .words_min = 0,
     .words_max = 0,
     .hidden = true,
     .run = cmd_complete},
};

const Verbs all_verbs = {rows, G_N_ELEMENTS(rows)};
