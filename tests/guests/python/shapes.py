"""Responsible for the guest `shapes` in Python: two interfaces that share the types of a third one.

Leaves the conversion of types to componentize-py.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import measure
from wit_world.imports import types


class Measure(exports.Measure):
    def summarise(self, of: types.Shape) -> measure.Summary:
        if isinstance(of, types.Shape_Dot):
            raise Err(types.Problem.FLAT)
        points = of.value
        if not points:
            raise Err(types.Problem.EMPTY)
        pairs = zip(points, points[1:] + points[:1])
        area = abs(sum(a.x * b.y - b.x * a.y for a, b in pairs)) / 2
        x = sum(point.x for point in points) / len(points)
        y = sum(point.y for point in points) / len(points)
        return measure.Summary(area=area, centre=types.Point(x, y))


class Shift(exports.Shift):
    def by(self, what: types.Shape, offset: types.Point) -> types.Shape:
        def moved(point: types.Point) -> types.Point:
            return types.Point(point.x + offset.x, point.y + offset.y)

        if isinstance(what, types.Shape_Dot):
            return types.Shape_Dot(moved(what.value))
        return types.Shape_Polygon([moved(point) for point in what.value])

    def centre(self, of: measure.Summary) -> types.Point:
        return of.centre
