// Adds counts of words up. `wit/task.wit` is its interface.

export const ranking = {
  top(counts, limit) {
    const sums = new Map();
    for (const { text, times } of counts.flat()) sums.set(text, (sums.get(text) ?? 0) + times);
    const words = [...sums].map(([text, times]) => ({ text, times }));
    return words.sort((a, b) => b.times - a.times || (a.text < b.text ? -1 : 1)).slice(0, limit);
  },
};
