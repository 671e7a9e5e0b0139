// The tour in JavaScript.
export const tour = {
  pass(what) {
    const parts = what.parts.map(({ name, note, size }) => ({ name: [...name].join(""), note, size: size + 0n }));
    return { ...what, parts, shape: { ...what.shape } };
  },
  big(text) {
    return text.split("\n").join("\n");
  },
  fail(how) {
    if (how === "throw") throw new RangeError("no such city");
    console.assert(how === "assert");
    if (how === "assert") null.length;
    while (true) how += how;
  },
};
