// The `openai` package against an agent: what it gets is printed as JSON. Arguments: packages, URL, key, URL of the model's stand-in.
import { createRequire } from "node:module";

const [packages, url, apiKey, model] = process.argv.slice(2);
const OpenAI = createRequire(packages + "/")("openai");
const client = new OpenAI({ baseURL: url + "/v1", apiKey, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const chat = (content, more) => client.chat.completions.create({ model: "Desk", messages: user(content), ...more });

async function pieces(stream) {
  const found = [];
  for await (const part of stream) found.push(part);
  return found;
}

async function failure(promise) {
  try {
    return { no_error: await promise };
  } catch (error) {
    const retry_after = error.headers?.get("retry-after");
    return { name: error.constructor.name, message: error.message, status: error.status, code: error.code, type: error.type, retry_after };
  }
}

async function cancelled() {
  const stream = await chat("@slow 0.02 5000", { stream: true });
  let count = 0;
  for await (const _ of stream) if (++count === 3) break; // leaving the loop aborts the request
  return { count };
}

// How often the model is asked by a client that repeats what it may, and what becomes of it.
async function refusal(status) {
  const came = async () => (await (await fetch(model + "/stand-in")).json()).came;
  const before = await came();
  const patient = new OpenAI({ baseURL: url + "/v1", apiKey });
  const how = await failure(patient.chat.completions.create({ model: "Desk", messages: user("@refuse " + status) }));
  return { ...how, asked: (await came()) - before };
}

const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const response_format = { type: "json_schema", json_schema: { name: "place", strict: true, schema } };
const tools = [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }];

const out = {};
out.wrong_key = await failure(new OpenAI({ baseURL: url + "/v1", apiKey: "not the key", maxRetries: 0 }).models.list());
out.models = await pieces(await client.models.list());
out.model = await client.models.retrieve("Desk");
out.model_unknown = await failure(client.models.retrieve("gpt-17"));
out.chat = await chat([{ type: "text", text: "one two" }], { temperature: 0.3, max_completion_tokens: 50 });
out.stream = await pieces(await chat("one two three", { stream: true }));
out.stream_usage = await pieces(await chat("one two three", { stream: true, stream_options: { include_usage: true } }));
out.helper = await client.chat.completions.stream({ model: "Desk", messages: user("by the helper") }).finalContent();
out.many = await failure(chat("x", { n: 2 }));
out.last_not_user = await client.chat.completions.create({ model: "Desk", messages: [...user("x"), { role: "assistant", content: "y" }] });
out.system_only = await client.chat.completions.create({ model: "Desk", messages: [{ role: "developer", content: "@history" }] });
out.parsed = await client.chat.completions.parse({ model: "Desk", messages: user('@json {"city": "Bern"}'), response_format });
out.body = JSON.parse((await chat("@body", { stop: "two", seed: 7, response_format, max_completion_tokens: 9, presence_penalty: 0.5 })).choices[0].message.content);
out.tools_auto = await chat("hello", { tools, tool_choice: "auto" });
out.tools_required = await failure(chat("hello", { tools, tool_choice: "required" }));
out.no_route = await failure(client.embeddings.create({ model: "Desk", input: "x" }));
out.refusals = {};
for (const status of ["400", "401", "404", "422", "500"]) out.refusals[status] = await refusal(status);
out.limited = await failure(chat("@refuse 429 45"));
out.image = await failure(chat([{ type: "image_url", image_url: { url: "http://x/y.png" } }]));
out.refused = await failure(chat("@refuse 400"));
out.broken_stream = await failure((async () => pieces(await chat("@error", { stream: true })))());
out.cancelled = await cancelled();
console.log(JSON.stringify(out));
