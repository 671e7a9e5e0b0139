// Functions with and without `async`, for componentize-qjs without flags.
// Leaves the engine of componentize-js to `app.js`.

export function shout(text) {
  return text.toUpperCase();
}

export function parse(text) {
  const number = Number(text);
  if (Number.isNaN(number)) throw "no number";
  return number;
}

export async function greet(name) {
  await null;
  return `hello ${name}`;
}
