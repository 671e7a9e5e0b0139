"""The tour in Python."""

import sys
from dataclasses import replace

from wit_world.exports import tour


class Tour:
    def pass_(self, what: tour.Baggage) -> tour.Baggage:
        match what.shape:
            case tour.Shape_Dot(letter):
                shape = tour.Shape_Dot(letter)
            case tour.Shape_Line(points):
                shape = tour.Shape_Line([point for point in points])
            case _:
                shape = tour.Shape_None()
        parts = [tour.Part("".join(part.name), part.note, part.size) for part in what.parts]
        return replace(what, shape=shape, parts=parts)

    def big(self, text: str) -> str:
        return "".join(text)

    def fail(self, how: str) -> str:
        if how == "throw":
            raise LookupError("no such city")
        assert how != "assert", "how is empty"
        sys.exit(3)
