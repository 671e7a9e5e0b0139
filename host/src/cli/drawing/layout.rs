//! Places of boxes and ways of lines: the layout that `dagre` computes, from top to bottom.
//! Sizes come from the texts; `svg` draws the result.

use crate::cli::drawing::Picture;
use crate::cli::drawing::picture::TaskBox;
use dagre::graph::{Graph, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel};

/// Width of a character of a name. Fonts of one width need no measuring.
const NAME_CHAR: f64 = 8.1;

/// Width of a character of the smaller lines.
const DETAIL_CHAR: f64 = 6.9;

/// Height of a line of text.
pub(crate) const LINE: f64 = 16.0;

/// Space between the border and the text.
pub(crate) const PADDING: f64 = 10.0;

/// Width of the sign of a state.
pub(crate) const SIGN: f64 = 16.0;

/// A place or a size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// The middle and the size of a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    pub(crate) middle: Point,
    pub(crate) size: Point,
}

/// The layout of a picture.
#[derive(Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) boxes: Vec<Placed>,
    /// By line: the points that it passes.
    pub(crate) ways: Vec<Vec<Point>>,
    pub(crate) size: Point,
}

/// Lays a picture out. If a box or a line gets no place, the boxes are in a column, and the lines are
/// straight.
pub(crate) fn lay_out(picture: &Picture) -> Layout {
    let sizes: Vec<Point> = picture.boxes.iter().map(size).collect();
    computed(picture, &sizes).unwrap_or_else(|| column(picture, &sizes))
}

fn size(task_box: &TaskBox) -> Point {
    let width = |text: &str, each: f64| {
        text.chars().map(|c| if c.is_ascii() { each } else { 2.0 * each }).sum::<f64>()
    };
    let details = task_box.details.iter().map(|line| width(line, DETAIL_CHAR));
    let status = task_box.status.iter().map(|status| SIGN + width(&status.words, DETAIL_CHAR));
    let widest = details.chain(status).fold(width(&task_box.name, NAME_CHAR), f64::max);
    let details = task_box.details.iter().filter(|line| !line.is_empty()).count();
    let lines = u16::try_from(1 + details + usize::from(task_box.status.is_some())).unwrap_or(u16::MAX);
    Point { x: widest + 2.0 * PADDING + 8.0, y: f64::from(lines) * LINE + 2.0 * PADDING }
}

fn computed(picture: &Picture, sizes: &[Point]) -> Option<Layout> {
    let mut graph: Graph<NodeLabel, EdgeLabel> =
        Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: true });
    let ids: Vec<String> = (0..sizes.len()).map(|position| position.to_string()).collect();
    for (id, size) in ids.iter().zip(sizes) {
        let node = NodeLabel { width: size.x, height: size.y, ..NodeLabel::default() };
        graph.set_node(id.as_str(), Some(node));
    }
    for line in &picture.lines {
        let (from, to) = (ids.get(line.from)?, ids.get(line.to)?);
        graph.set_edge(from.as_str(), to.as_str(), Some(EdgeLabel::default()), None);
    }
    let space = LayoutOptions { nodesep: 28.0, edgesep: 12.0, ranksep: 44.0, ..LayoutOptions::default() };
    dagre::layout(&mut graph, Some(space));
    let boxes: Option<Vec<Placed>> = ids
        .iter()
        .zip(sizes)
        .map(|(id, size)| {
            let node = graph.node(id)?;
            Some(Placed { middle: Point { x: node.x?, y: node.y? }, size: *size })
        })
        .collect();
    let boxes = boxes?;
    let way = |from: usize, to: usize| {
        let points = &graph.edge(ids.get(from)?, ids.get(to)?, None)?.points;
        Some(points.iter().map(|point| Point { x: point.x, y: point.y }).collect())
    };
    let ways: Option<Vec<Vec<Point>>> = picture.lines.iter().map(|line| way(line.from, line.to)).collect();
    Some(fitted(boxes, ways?))
}

fn column(picture: &Picture, sizes: &[Point]) -> Layout {
    let mut below = 0.0;
    let boxes: Vec<Placed> = sizes
        .iter()
        .map(|size| {
            let middle = Point { x: 0.0, y: below + size.y / 2.0 };
            below += size.y + 44.0;
            Placed { middle, size: *size }
        })
        .collect();
    let middle = |position: usize| boxes.get(position).map(|placed| placed.middle);
    let way = |from, to| [middle(from), middle(to)].into_iter().flatten().collect();
    let ways = picture.lines.iter().map(|line| way(line.from, line.to)).collect();
    fitted(boxes, ways)
}

/// Moves everything so that it begins at zero, and takes its size.
fn fitted(mut boxes: Vec<Placed>, mut ways: Vec<Vec<Point>>) -> Layout {
    let half = |placed: &Placed| Point { x: placed.size.x / 2.0, y: placed.size.y / 2.0 };
    let corners = boxes.iter().flat_map(|placed| {
        let (middle, half) = (placed.middle, half(placed));
        [
            Point { x: middle.x - half.x, y: middle.y - half.y },
            Point { x: middle.x + half.x, y: middle.y + half.y },
        ]
    });
    let points: Vec<Point> = corners.chain(ways.iter().flatten().copied()).collect();
    let bound =
        |value: fn(&Point) -> f64, choose: fn(f64, f64) -> f64| points.iter().map(value).reduce(choose);
    let least = Point {
        x: bound(|point| point.x, f64::min).unwrap_or(0.0),
        y: bound(|point| point.y, f64::min).unwrap_or(0.0),
    };
    let most = Point {
        x: bound(|point| point.x, f64::max).unwrap_or(0.0),
        y: bound(|point| point.y, f64::max).unwrap_or(0.0),
    };
    let moved = |point: &mut Point| *point = Point { x: point.x - least.x, y: point.y - least.y };
    boxes.iter_mut().for_each(|placed| moved(&mut placed.middle));
    ways.iter_mut().flatten().for_each(moved);
    Layout { boxes, ways, size: Point { x: most.x - least.x, y: most.y - least.y } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::drawing::picture::{Form, Line, MAX_BOXES, MAX_LINES};
    use crate::graph::LinkKind;
    use crate::model::Random;

    /// Draws a picture with random lines, some of them in circles, as between pipelines.
    fn picture(boxes: usize, lines: usize, random: &mut Random) -> Picture {
        let mut below =
            |bound: usize| usize::try_from(random.next_u64() % u64::try_from(bound).unwrap()).unwrap();
        let task_box = |width: usize| TaskBox {
            name: "n".repeat(1 + width),
            details: vec!["détail".to_owned()],
            form: Form::One,
            status: None,
        };
        let boxes: Vec<TaskBox> = (0..boxes).map(|_| task_box(below(40))).collect();
        let lines = (0..lines).map(|_| (below(boxes.len()), below(boxes.len())));
        let lines: std::collections::BTreeSet<(usize, usize)> =
            lines.filter(|(from, to)| from != to).collect();
        let lines = lines.into_iter().map(|(from, to)| Line { from, to, kind: LinkKind::Data }).collect();
        Picture { title: String::new(), caption: None, boxes, lines }
    }

    #[test]
    fn boxes_never_overlap_and_every_line_has_a_way() {
        let mut random = Random::from_system();
        let bounds = [(1, 0), (2, 3), (8, 12), (40, 60), (40, 60), (MAX_BOXES, MAX_LINES)];
        for (boxes, lines) in bounds {
            let picture = picture(boxes, lines, &mut random);
            let layout = lay_out(&picture);
            assert!(layout.size.x.is_finite() && layout.size.y.is_finite());
            assert_eq!((layout.boxes.len(), layout.ways.len()), (boxes, picture.lines.len()));
            assert!(layout.ways.iter().all(|way| way.len() > 1));
            for (position, one) in layout.boxes.iter().enumerate() {
                for other in layout.boxes.iter().skip(position + 1) {
                    let apart = |a: f64, b: f64, sizes: f64| (a - b).abs() >= sizes / 2.0;
                    assert!(
                        apart(one.middle.x, other.middle.x, one.size.x + other.size.x)
                            || apart(one.middle.y, other.middle.y, one.size.y + other.size.y),
                        "{picture:?}"
                    );
                }
            }
        }
    }
}
