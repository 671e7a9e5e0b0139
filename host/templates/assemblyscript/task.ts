// A task: counts words. `wit/task.wit` is its interface.
// AssemblyScript has no bindings: arguments and result lie in memory as the canonical ABI of components has them.

import { abort, allocate, cabi_realloc, give, take } from "./abi";

export { abort, cabi_realloc };

const WORD: usize = 12; // record word: text at 0, times at 8

// The words of a text, as often as they occur.
function split(text: string): string[] {
  const words: string[] = [];
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && text.charCodeAt(at) > 32) continue;
    if (at > start) words.push(text.substring(start, at));
    start = at + 1;
  }
  return words;
}

export function count(at: usize, length: usize): usize {
  const words = split(take(at, length));
  const result = allocate(12); // result<list<word>, string>: the case at 0, its payload at 4
  if (words.length == 0) {
    store<u8>(result, 1);
    give(result + 4, "the text has no words");
    return result;
  }
  const list = allocate(usize(words.length) * WORD);
  const known = new Map<string, usize>();
  for (let nth = 0; nth < words.length; nth++) {
    const word = words[nth];
    if (!known.has(word)) {
      const added = list + usize(known.size) * WORD;
      give(added, word);
      store<u32>(added, 0, 8);
      known.set(word, added);
    }
    const found = known.get(word);
    store<u32>(found, load<u32>(found, 8) + 1, 8);
  }
  store<u8>(result, 0);
  store<usize>(result, list, 4);
  store<usize>(result, known.size, 8);
  return result;
}
