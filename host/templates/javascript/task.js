// A task: counts words. `wit/task.wit` is its interface. What is thrown is the error of the result.

export const words = {
  count(text) {
    const times = new Map();
    for (const word of text.split(/\s+/).filter(Boolean)) times.set(word, (times.get(word) ?? 0) + 1);
    if (times.size === 0) throw "the text has no words";
    return [...times].map(([text, times]) => ({ text, times }));
  },
};
