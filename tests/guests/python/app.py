"""Responsible for tasks in Python: methods of the class that the WIT world asks for.

Leaves the conversion of types to componentize-py.
"""

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
