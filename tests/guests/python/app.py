"""Responsible for tasks in Python: methods of the class that the WIT world asks for.

Leaves the conversion of types to componentize-py.
"""

import os
import random
import time

import wit_world
from componentize_py_types import Err


class WitWorld(wit_world.WitWorld):
    def greet(self, name: str) -> str:
        return f"Hello, {name}!"

    def mean(self, xs: list[float]) -> float:
        if not xs:
            raise Err("no numbers")
        return sum(xs) / len(xs)

    def stats(self, xs: list[float]) -> wit_world.Summary:
        return wit_world.Summary(
            count=len(xs),
            mean=sum(xs) / max(len(xs), 1),
            least=min(xs, default=None),
            greatest=max(xs, default=None),
        )

    def fail(self, text: str) -> str:
        return check(text)

    def look(self, x: int) -> list[str]:
        """Whatever might tell one call from another, as text."""
        some = {f"word {number}" for number in range(40)}
        begun = time.monotonic()
        time.sleep(2.5)
        seen = [
            ("random", [random.random() for _ in range(5)]),
            ("bytes of the system", os.urandom(8).hex()),
            ("time", time.time()),
            ("slept", time.monotonic() - begun),
            ("order of a set", list(some)),
            ("hash", hash("word")),
            ("id of an object", id(object())),
            ("an object in words", repr(object())),
            ("variables", dict(os.environ)),
            ("current folder", os.getcwd()),
            ("process", os.getpid()),
        ]
        return [f"{tried}: {what}" for tried, what in seen]


def check(text: str) -> str:
    raise ValueError(text)
