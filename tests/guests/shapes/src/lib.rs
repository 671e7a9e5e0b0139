//! Two interfaces that share the types of a third one.
//! The guests in Python and JavaScript implement the same world.

wit_bindgen::generate!({ path: "wit" });

use exports::test::shapes::measure::{Guest as Measure, Summary};
use exports::test::shapes::shift::Guest as Shift;
use test::shapes::types::{Point, Problem, Shape};

struct Shapes;

impl Measure for Shapes {
    fn summarise(of: Shape) -> Result<Summary, Problem> {
        let points = match of {
            Shape::Dot(_) => return Err(Problem::Flat),
            Shape::Polygon(points) if points.is_empty() => return Err(Problem::Empty),
            Shape::Polygon(points) => points,
        };
        let next = points.iter().cycle().skip(1);
        let area: f64 = points.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
        let count = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX));
        let centre = Point {
            x: points.iter().map(|point| point.x).sum::<f64>() / count,
            y: points.iter().map(|point| point.y).sum::<f64>() / count,
        };
        Ok(Summary { area: area.abs() / 2.0, centre })
    }
}

impl Shift for Shapes {
    fn by(what: Shape, offset: Point) -> Shape {
        let moved = |point: Point| Point { x: point.x + offset.x, y: point.y + offset.y };
        match what {
            Shape::Dot(point) => Shape::Dot(moved(point)),
            Shape::Polygon(points) => Shape::Polygon(points.into_iter().map(moved).collect()),
        }
    }

    fn centre(of: Summary) -> Point {
        of.centre
    }
}

export!(Shapes);
