"""A task: counts words. `wit/task.wit` is its interface.

Import everything at the top: the standard library is there only while the component is built.
"""

from collections import Counter

from componentize_py_types import Err
from wit_world.exports import words


class Words:
    def count(self, text: str) -> list[words.Word]:
        times = Counter(text.split())
        if not times:
            raise Err("the text has no words")
        return [words.Word(word, count) for word, count in times.items()]
