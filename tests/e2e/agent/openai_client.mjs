// The `openai` package against an agent: what it gets is printed as JSON. Arguments: packages, URL, key.
import { createRequire } from "node:module";

const [packages, url, apiKey] = process.argv.slice(2);
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
    return { name: error.constructor.name, message: error.message, status: error.status, code: error.code, type: error.type };
  }
}

async function cancelled() {
  const stream = await chat("@slow 0.02 5000", { stream: true });
  let count = 0;
  for await (const _ of stream) if (++count === 3) break; // leaving the loop aborts the request
  return { count };
}

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
out.last_not_user = await failure(client.chat.completions.create({ model: "Desk", messages: [{ role: "assistant", content: "y" }] }));
out.image = await failure(chat([{ type: "image_url", image_url: { url: "http://x/y.png" } }]));
out.refused = await failure(chat("@refuse 400"));
out.broken_stream = await failure((async () => pieces(await chat("@error", { stream: true })))());
out.cancelled = await cancelled();
console.log(JSON.stringify(out));
