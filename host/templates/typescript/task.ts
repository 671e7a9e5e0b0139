// A task: counts words. `wit/task.wit` is its interface. What is thrown is the error of the result.

type Word = { text: string; times: number };

export const words = {
  count(text: string): Word[] {
    const times = new Map<string, number>();
    for (const word of text.split(/\s+/).filter(Boolean)) times.set(word, (times.get(word) ?? 0) + 1);
    if (times.size === 0) throw "the text has no words";
    return [...times].map(([text, times]) => ({ text, times }));
  },
};
