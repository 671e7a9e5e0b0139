// Responsible for building the component: `node build.mjs [OUTPUT]`, by default `javascript.wasm` in this folder.
// Leaves the engine to componentize-js; of WASI the component imports what the engine itself wants.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const { component } = await componentize({
  sourcePath: here("app.js"),
  witPath: here("wit"),
  worldName: "app",
  disableFeatures: ["http", "fetch-event"],
});
await writeFile(process.argv[2] ?? here("javascript.wasm"), component);
