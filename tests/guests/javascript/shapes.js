// Responsible for the guest `shapes` in JavaScript: two interfaces that share the types of a third one.
// Leaves the conversion of types to componentize-js.

export const measure = {
  summarise(of) {
    if (of.tag === "dot") {
      throw "flat";
    }
    const points = of.val;
    if (points.length === 0) {
      throw "empty";
    }
    const next = [...points.slice(1), points[0]];
    const twice = points.reduce((sum, a, at) => sum + a.x * next[at].y - next[at].x * a.y, 0);
    const mean = (key) => points.reduce((sum, point) => sum + point[key], 0) / points.length;
    return { area: Math.abs(twice) / 2, centre: { x: mean("x"), y: mean("y") } };
  },
};

export const shift = {
  by(what, offset) {
    const moved = (point) => ({ x: point.x + offset.x, y: point.y + offset.y });
    const val = what.tag === "dot" ? moved(what.val) : what.val.map(moved);
    return { tag: what.tag, val };
  },
  centre: (of) => of.centre,
};
