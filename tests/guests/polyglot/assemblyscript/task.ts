// The tour in AssemblyScript.
import { abort, cabi_realloc, give, take } from "./abi";

export { abort, cabi_realloc };

// The arguments lie in memory as the result does; the first field is a text.
export function pass(what: usize): usize {
  give(what, take(load<usize>(what), load<i32>(what, 4)));
  return what;
}

export function big(at: usize, length: usize): usize {
  const result = heap.alloc(8);
  give(result, take(at, length));
  return result;
}

export function fail(at: usize, length: usize): usize {
  const how = take(at, length);
  if (how == "throw") throw new Error("no such city");
  assert(how != "assert", "how is empty");
  return unreachable();
}
