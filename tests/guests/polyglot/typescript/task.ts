// The tour in TypeScript.
type Part = { name: string; note?: string; size: bigint };
type Shape = { tag: "none" } | { tag: "dot"; val: string } | { tag: "line"; val: Float32Array | number[] };
type Baggage = { parts: Part[]; shape: Shape };

export const tour = {
  pass(what: Baggage): Baggage {
    const parts = what.parts.map((part: Part): Part => ({ ...part, size: BigInt(part.size) }));
    return { ...what, parts };
  },
  big(text: string): string {
    return text.split("\n").join("\n");
  },
  fail(how: string): string {
    if (how === "throw") throw new RangeError("no such city");
    return (undefined as unknown as string).toUpperCase();
  },
};
