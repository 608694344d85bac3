// The `ai` package with its provider for OpenAI-compatible servers against an agent: what it gets is printed as JSON. Arguments: packages, URL,
// URL of the model's stand-in.
import { createRequire } from "node:module";

const [packages, url, model] = process.argv.slice(2);
const require = createRequire(packages + "/");
const { generateText, streamText, generateObject, tool, jsonSchema } = require("ai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");
const desk = createOpenAICompatible({ name: "desk", baseURL: url + "/v1", supportsStructuredOutputs: true }).chatModel("Desk");
globalThis.AI_SDK_LOG_WARNINGS = false;

const schema = jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false });
const came = async () => (await (await fetch(model + "/stand-in")).json()).came;
const tools = { look: tool({ description: "looks", inputSchema: jsonSchema({ type: "object", properties: {} }) }) };

async function failure(promise) {
  try {
    return { no_error: await promise };
  } catch (error) {
    const last = error.lastError ?? error;
    return { status: last.statusCode, message: last.message, retry_after: last.responseHeaders?.["retry-after"] };
  }
}

const out = {};
const whole = await generateText({ model: desk, prompt: "one two" });
out.text = whole.text;
out.usage = whole.usage;
out.stream = "";
for await (const part of streamText({ model: desk, prompt: "one two three" }).textStream) out.stream += part;
out.object = (await generateObject({ model: desk, schema, prompt: '@json {"city": "Bern"}' })).object;
out.options = JSON.parse((await generateText({ model: desk, prompt: "@body", stopSequences: ["two"], seed: 7, maxOutputTokens: 9 })).text);
// A conversation that went on elsewhere ends with what a tool said.
out.tool_last = (
  await generateText({
    model: desk,
    messages: [
      { role: "user", content: "look" },
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "c", toolName: "look", input: {} }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId: "c", toolName: "look", output: { type: "text", value: "nothing" } }] },
    ],
  })
).text;
out.required = await failure(generateText({ model: desk, prompt: "x", tools, toolChoice: "required" }));
const before = await came();
const refused = await failure(generateText({ model: desk, prompt: "@refuse 400" }));
out.refused = { status: refused.status, message: refused.message, asked: (await came()) - before };
out.limited = await failure(generateText({ model: desk, prompt: "@refuse 429 45", maxRetries: 0 }));
out.broken = "";
const broken = streamText({ model: desk, prompt: "@error", onError: ({ error }) => (out.broken = error.message ?? JSON.stringify(error)) });
for await (const _ of broken.fullStream);
console.log(JSON.stringify(out));
