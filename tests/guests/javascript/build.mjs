// Responsible for building a component: `node build.mjs [OUTPUT [SOURCE WIT WORLD]]`, by default `app.js` as
// `javascript.wasm` in this folder.
// Leaves the engine to componentize-js; of WASI the component imports what the engine itself wants.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const [output = here("javascript.wasm"), source = "app.js", wit = "wit", worldName = "app"] = process.argv.slice(2);

const { component } = await componentize({
  sourcePath: here(source),
  witPath: here(wit),
  worldName,
  disableFeatures: ["http", "fetch-event"],
});
await writeFile(output, component);
