// The `ollama` package against an agent: what it gets is printed as JSON. Arguments: packages, URL.
import { createRequire } from "node:module";

const [packages, host] = process.argv.slice(2);
const { Ollama } = createRequire(packages + "/")("ollama");
const client = new Ollama({ host });
const user = (content) => [{ role: "user", content }];

async function pieces(stream) {
  const found = [];
  for await (const part of stream) found.push(part);
  return found;
}

async function failure(promise) {
  try {
    return { no_error: await promise };
  } catch (error) {
    return { name: error.name, message: error.message, status: error.status_code };
  }
}

async function cancelled() {
  const stream = await client.chat({ model: "Desk", messages: user("@slow 0.02 5000"), stream: true });
  let count = 0;
  try {
    for await (const _ of stream) if (++count === 3) stream.abort();
  } catch (error) {
    return { count, name: error.name };
  }
  return { count, name: null };
}

const out = {};
out.tags = await client.list();
out.show = await client.show({ model: "Desk" });
out.show_unknown = await failure(client.show({ model: "gpt-17" }));
out.chat = await client.chat({ model: "Desk", messages: [{ role: "system", content: "be brief" }, ...user("one two")], options: { temperature: 0.1 } });
out.chat_stream = await pieces(await client.chat({ model: "Desk", messages: user("one two three"), stream: true }));
out.generate = await client.generate({ model: "Desk", prompt: "good day" });
out.generate_stream = await pieces(await client.generate({ model: "Desk", prompt: "good day", system: "s", stream: true }));
out.last_not_user = await client.chat({ model: "Desk", messages: [...user("x"), { role: "assistant", content: "y" }] });
out.format = await client.chat({ model: "Desk", messages: user('@json {"city": "Bern"}'), format: { type: "object", properties: { city: { type: "string" } } } });
out.body = JSON.parse((await client.chat({ model: "Desk", messages: user("@body"), format: "json", options: { stop: ["two"], seed: 7, num_predict: 9 } })).message.content);
out.load = await client.chat({ model: "Desk", messages: [] });
out.unload = await client.generate({ model: "Desk", prompt: "", keep_alive: 0 });
out.image = await failure(client.chat({ model: "Desk", messages: [{ role: "user", content: "x", images: ["AAAA"] }] }));
out.version = await client.version();
out.refused = await failure(client.chat({ model: "Desk", messages: user("@refuse 400") }));
out.broken_stream = await failure((async () => pieces(await client.chat({ model: "Desk", messages: user("@error"), stream: true })))());
out.cancelled = await cancelled();
console.log(JSON.stringify(out));
