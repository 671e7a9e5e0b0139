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
