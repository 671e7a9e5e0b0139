"""Counts the words of a text. `wit/task.wit` is its interface."""

from collections import Counter

from wit_world.exports import counting


class Counting:
    def count(self, text: str) -> list[counting.Word]:
        return [counting.Word(word, times) for word, times in Counter(text.split()).items()]
