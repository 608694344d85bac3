// The A2A SDK against an agent: what it gets is printed as JSON. Arguments: packages, URL, version (0.3 or 1.0), key or "".
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";

const [packages, url, version, key] = process.argv.slice(2);
const require = createRequire(packages + "/");
const sdk = require(version === "0.3" ? "a2a-sdk-0.3/client" : "@a2a-js/sdk/client");
const old = version === "0.3";

const keyed = (input, init = {}) => fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), ...(key ? { Authorization: `Bearer ${key}` } : {}) } });
const factory = new sdk.ClientFactory({
  transports: [new sdk.JsonRpcTransportFactory({ fetchImpl: keyed })],
  cardResolver: new sdk.DefaultAgentCardResolver({ fetchImpl: keyed }),
});

function message(text, more = {}) {
  const messageId = randomUUID();
  return old
    ? { kind: "message", role: "user", messageId, parts: [{ kind: "text", text }], ...more }
    : { role: 1, messageId, parts: [{ content: { $case: "text", value: text }, filename: "", mediaType: "" }], contextId: "", taskId: "", extensions: [], referenceTaskIds: [], ...more };
}
const immediately = (client, text) =>
  client.sendMessage({ message: message(text), configuration: old ? { blocking: false } : { acceptedOutputModes: [], returnImmediately: true } });
// A stream's event in the shape of 0.3, whichever SDK gave it.
function plain(event) {
  if (old) return event;
  const inner = event.payload ?? event;
  return { kind: inner.$case ?? "?", ...(inner.value ?? inner) };
}
async function pieces(stream, until = () => false) {
  const found = [];
  for await (const part of stream) {
    found.push(plain(part));
    if (until(found)) break;
  }
  return found;
}
async function failure(promise) {
  try {
    return { no_error: await promise };
  } catch (error) {
    return { name: error.name, kind: error.constructor.name, message: error.message, code: error.errorResponse?.error?.code ?? error.envelopeCode };
  }
}
const taskOf = (result) => result.id ?? result.task?.id;

const client = await factory.createFromUrl(url);
const out = {};
out.card = await client.getAgentCard();
out.send = await client.sendMessage({ message: message("one two") });
out.again = await client.sendMessage({ message: message("@history", { contextId: out.send.contextId }) });
out.stream = await pieces(client.sendMessageStream({ message: message("one two three") }));
out.failed = await client.sendMessage({ message: message("@refuse 400") });
out.failed_stream = await pieces(client.sendMessageStream({ message: message("@error") }));
out.no_task = await failure(client.getTask({ id: "nothing" }));
out.got = await client.getTask({ id: taskOf(out.send) });
out.follow_up = await failure(client.sendMessage({ message: message("more", { taskId: taskOf(out.send) }) }));

// A task goes on when its client leaves, is found again, and is cancelled by name.
const begun = await immediately(client, "@slow 0.02 5000");
out.begun = begun;
const first = await pieces(client.resubscribeTask({ id: taskOf(begun) }), (found) => found.length >= 5);
out.subscribed = first;
out.working = await client.getTask({ id: taskOf(begun) });
const watched = client.resubscribeTask({ id: taskOf(begun) })[Symbol.asyncIterator]();
await watched.next();
out.canceled = await client.cancelTask({ id: taskOf(begun) });
for (let part = await watched.next(); !part.done; part = await watched.next()) out.told = plain(part.value);
out.cancel_again = await failure(client.cancelTask({ id: taskOf(begun) }));
if (!old) out.list = await client.listTasks({ tenant: "", contextId: "", status: 0, pageSize: 3, pageToken: "", historyLength: 0, includeArtifacts: false });

// A client that leaves its stream: the task ends all the same.
const stop = new AbortController();
const left = client.sendMessageStream({ message: message("@slow 0.01 40") }, { signal: stop.signal });
let name = null;
try {
  for await (const part of left) {
    out.left = plain(part).id ?? plain(part).taskId;
    stop.abort();
  }
} catch (error) {
  name = error.name;
}
out.left_error = name;
let task;
for (const end = Date.now() + 15000; Date.now() < end; ) {
  task = await client.getTask({ id: out.left });
  if (![ "working", "submitted", 1, 2 ].includes(task.status.state)) break;
  await new Promise((done) => setTimeout(done, 20));
}
out.left_task = task;
console.log(JSON.stringify(out));
