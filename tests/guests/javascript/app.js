// Responsible for two tasks in JavaScript: plain functions, exported under the names of the WIT world.
// Leaves the conversion of types to componentize-js.

export function slug(text) {
  return text.toLowerCase().match(/[a-z0-9]+/g)?.join("-") ?? "";
}

export function tally(words) {
  const counts = new Map();
  for (const word of words) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts]
    .map(([word, times]) => ({ word, times }))
    .sort((a, b) => b.times - a.times || (a.word < b.word ? -1 : 1));
}

export function fail(text) {
  return check(text);
}

function check(text) {
  throw new RangeError(text);
}

// Whatever might tell one call from another, as text; the argument only makes it another call.
export function look(x) {
  const seen = {
    chance: [Math.random(), Math.random()],
    bytes: [...crypto.getRandomValues(new Uint8Array(8))],
    identifier: crypto.randomUUID(),
    time: Date.now(),
    day: new Date().toString(),
    zone: new Date(0).getTimezoneOffset(),
    clock: performance.now(),
    trace: new Error("here").stack,
    words: ["b", "ä", "a"].toSorted((a, b) => a.localeCompare(b)),
    number: (1234.5).toLocaleString(),
  };
  return Object.entries(seen).map(([tried, what]) => `${tried}: ${JSON.stringify(what)}`);
}
