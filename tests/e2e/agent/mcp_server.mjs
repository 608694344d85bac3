// An MCP server made with `@modelcontextprotocol/sdk`. Arguments: packages, "stdio" or "http". By http the port is printed first; GET /stand-in tells what came.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, how] = process.argv.slice(2);
const from = createRequire(packages + "/");
const load = (name) => import(pathToFileURL(from.resolve(name)));
const { McpServer } = await load("@modelcontextprotocol/sdk/server/mcp.js");
const { z } = await load("zod");
const text = (said) => ({ content: [{ type: "text", text: said }] });
const state = { opened: 0, closed: 0, versions: [], started: 0, cancelled: 0, keys: [] };
const sessions = new Map();

function build() {
  const server = new McpServer({ name: "from-the-sdk", version: "1.0.0" });
  server.registerTool("add", { description: "adds two numbers", inputSchema: { a: z.number(), b: z.number() } }, ({ a, b }) => text(`${a} + ${b} = ${a + b}`));
  server.registerTool("fail", { description: "always fails" }, () => {
    throw new Error("the disk is on fire");
  });
  server.registerTool("slow", { description: "takes its time", inputSchema: { ms: z.number() } }, ({ ms }, extra) => new Promise((done) => {
    state.started++;
    const timer = setTimeout(() => done(text(`after ${ms} ms`)), ms);
    extra.signal.addEventListener("abort", () => {
      state.cancelled++;
      clearTimeout(timer);
      done(text("cancelled"));
    });
  }));
  server.registerTool("grow", { description: "adds a tool" }, () => {
    server.registerTool("grown", { description: "came later" }, () => text("here I am"));
    return text("grown");
  });
  server.registerTool("structured", { description: "no text", outputSchema: { n: z.number() } }, () => ({ content: [], structuredContent: { n: 7 } }));
  server.registerTool("large", { description: "says much" }, () => text("0123456789".repeat(60_000)));
  server.registerTool("state", { description: "what came" }, () => text(JSON.stringify(state)));
  server.registerTool("leave", { description: "ends in the middle" }, () => {
    process.stderr.write("I have had enough\n");
    process.exit(9);
  });
  return server;
}

async function serveStdio() {
  const { StdioServerTransport } = await load("@modelcontextprotocol/sdk/server/stdio.js");
  await build().connect(new StdioServerTransport());
}

async function newSession() {
  const { StreamableHTTPServerTransport } = await load("@modelcontextprotocol/sdk/server/streamableHttp.js");
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => {
      state.opened++;
      sessions.set(id, transport);
    },
    onsessionclosed: (id) => {
      state.closed++;
      sessions.delete(id);
    },
  });
  await build().connect(transport);
  return transport;
}

async function answer(request, response) {
  if (request.url === "/stand-in") {
    response.end(JSON.stringify(state));
    return;
  }
  if (request.url === "/forget") {
    sessions.clear();
    response.end("{}");
    return;
  }
  const id = request.headers["mcp-session-id"];
  state.versions.push(request.headers["mcp-protocol-version"] ?? null);
  state.keys.push(request.headers.authorization ?? null);
  if (id && !sessions.has(id)) {
    response.writeHead(404).end("no such session");
    return;
  }
  const transport = id ? sessions.get(id) : await newSession();
  await transport.handleRequest(request, response);
}

if (how === "stdio") {
  await serveStdio();
} else {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}
