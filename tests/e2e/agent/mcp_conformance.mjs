// Runs the program of the package @modelcontextprotocol/conformance: node mcp_conformance.mjs NPM-DIRECTORY [its arguments].
// It imports fs.globSync, which Node.js has from version 22 on, for a verb that is not used here; without it a copy that needs none is run.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const directory = path.join(process.argv[2], "node_modules/@modelcontextprotocol/conformance/dist");
let program = path.join(directory, "index.js");
if (!fs.globSync) {
  const text = fs.readFileSync(program, "utf8").replace(/globSync as (\w+),/, (_, name) => `globSync_${name}_,`);
  const name = text.match(/globSync_(\w+)_,/)[1];
  program = path.join(directory, `without-glob-${process.pid}.js`);
  fs.writeFileSync(program, text.replace(`globSync_${name}_,`, "").replace(/^#!.*\n/, "") + `\nfunction ${name}() { return []; }\n`);
  process.on("exit", () => fs.rmSync(program, { force: true }));
}
process.argv.splice(1, 2, program);
await import(pathToFileURL(program));
