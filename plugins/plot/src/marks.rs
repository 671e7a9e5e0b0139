//! Responsible for the marks of each kind of chart: bars, lines, points.
//! Leaves what stands around them to `frame`.

use crate::checks::Appearance;
use crate::frame::{self, Below, Frame};
use crate::scale::Scale;
use crate::svg;
use crate::svg::px;
use crate::{Error, Points, Series};

/// Draws bars from zero.
pub fn bars(labels: &[String], series: &[Series], look: &Appearance) -> String {
    let values = || series.iter().flat_map(|series| &series.values).copied();
    let (frame, scale) =
        framed(look, series.iter().map(|series| series.name.as_str()), || values().chain([0.0]));
    let part = frame.part(labels.len());
    let width = part * 0.8 / f64::from(frame::count(series.len().max(1)));
    let zero = scale.place(0.0);
    let mut marks = String::new();
    for (number, series) in series.iter().enumerate() {
        for (at, (value, label)) in
            series.values.iter().zip(labels).enumerate().filter(|(_, (value, _))| !value.is_nan())
        {
            let left = frame.middle(at, labels.len()) - part * 0.4 + width * f64::from(frame::count(number));
            let y = scale.place(*value);
            let [x, top, width, height] = [left, y.min(zero), width, (y - zero).abs()].map(px);
            let colour = svg::colour(number);
            marks += &format!(
                "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\">"
            );
            frame::tip(&mut marks, &format!("{label}: {value}"));
            marks += "</rect>\n";
        }
    }
    frame.around(&marks, &scale, &Below::Labels(labels))
}

/// Draws lines over labels.
pub fn lines(labels: &[String], series: &[Series], look: &Appearance) -> String {
    let values = || series.iter().flat_map(|series| &series.values).copied();
    let (frame, scale) = framed(look, series.iter().map(|series| series.name.as_str()), values);
    let mut marks = String::new();
    for (number, series) in series.iter().enumerate() {
        let points = series
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| (frame.middle(at, labels.len()), scale.place(*value)));
        marks += &line(points, svg::colour(number));
    }
    frame.around(&marks, &scale, &Below::Labels(labels))
}

/// Draws points.
pub fn scatter(series: &[Points], look: &Appearance) -> String {
    plane(series, look, |points, colour| {
        let circle = |(x, y): (f64, f64)| format!("<circle cx=\"{}\" cy=\"{}\" r=\"3\"/>\n", px(x), px(y));
        let circles: String =
            points.into_iter().filter(|(x, y)| !x.is_nan() && !y.is_nan()).map(circle).collect();
        format!("<g fill=\"{colour}\" fill-opacity=\"0.7\">\n{circles}</g>\n")
    })
}

/// Draws lines through points.
pub fn curves(series: &[Points], look: &Appearance) -> String {
    plane(series, look, |points, colour| line(points.into_iter(), colour))
}

/// Draws points or lines between two scales.
fn plane(series: &[Points], look: &Appearance, draw: impl Fn(Vec<(f64, f64)>, &str) -> String) -> String {
    let whole = || {
        series
            .iter()
            .flat_map(|series| series.x.iter().zip(&series.y))
            .filter(|(x, y)| !x.is_nan() && !y.is_nan())
    };
    let names = series.iter().map(|series| series.name.as_str());
    let (frame, left) = framed(look, names, || whole().map(|(_, y)| *y));
    let below = Scale::of(whole().map(|(x, _)| *x), [frame.area.left, frame.area.right]);
    let mut marks = String::new();
    for (number, series) in series.iter().enumerate() {
        let points = series.x.iter().zip(&series.y).map(|(x, y)| (below.place(*x), left.place(*y)));
        marks += &draw(points.collect(), svg::colour(number));
    }
    frame.around(&marks, &left, &Below::Scale(&below))
}

/// Draws how many values lie in each part of their range.
pub fn histogram(values: &[f64], bins: u32, look: &Appearance) -> Result<String, Error> {
    let numbers = || values.iter().copied().filter(|value| !value.is_nan());
    let (Some(least), Some(greatest)) = (numbers().reduce(f64::min), numbers().reduce(f64::max)) else {
        return Err(Error::Empty);
    };
    let width = if greatest > least { (greatest - least) / f64::from(bins) } else { 1.0 };
    let edge = |bin: u32| least + width * f64::from(bin);
    let mut counts: Vec<u32> = (0..bins).map(|_| 0).collect();
    let edges: Vec<f64> = (1..bins).map(edge).collect();
    for value in numbers() {
        // The bin whose upper edge is the first one above the value; the last one has its upper edge too.
        let below = edges.partition_point(|edge| *edge <= value);
        counts.iter_mut().skip(below).take(1).for_each(|count| *count += 1);
    }
    let (frame, left) =
        framed(look, std::iter::once(""), || counts.iter().map(|count| f64::from(*count)).chain([0.0]));
    let below = Scale::of([edge(0), edge(bins)].into_iter(), [frame.area.left, frame.area.right]);
    let mut marks = String::new();
    for (bin, count) in (0..).zip(&counts) {
        let (from, to) = (below.place(edge(bin)), below.place(edge(bin + 1)));
        let (y, zero) = (left.place(f64::from(*count)), left.place(0.0));
        let [x, top, width, height] = [from, y, (to - from - 1.0).max(0.5), zero - y].map(px);
        let colour = svg::colour(0);
        marks +=
            &format!("<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\">");
        frame::tip(&mut marks, &count.to_string());
        marks += "</rect>\n";
    }
    Ok(frame.around(&marks, &left, &Below::Scale(&below)))
}

/// A frame that is wide enough for the numbers at its left, and their scale.
fn framed<'a, V: Iterator<Item = f64>>(
    look: &'a Appearance,
    names: impl Iterator<Item = &'a str>,
    values: impl Fn() -> V,
) -> (Frame<'a>, Scale) {
    let ticks = Scale::of(values(), [0.0, 1.0]).ticks();
    let widest = ticks.iter().map(|(_, text)| svg::width(text)).fold(0.0, f64::max);
    let frame = Frame::new(look, names, widest);
    let scale = Scale::of(values(), [frame.area.bottom, frame.area.top]);
    (frame, scale)
}

/// A line through points, with gaps where one is NaN. A point alone is a dot.
fn line(points: impl Iterator<Item = (f64, f64)>, colour: &str) -> String {
    let mut path = String::new();
    let mut is_drawn = false;
    for (x, y) in points {
        if x.is_nan() || y.is_nan() {
            is_drawn = false;
            continue;
        }
        path += &format!("{}{} {}", if is_drawn { "L" } else { "M" }, px(x), px(y));
        if !is_drawn {
            path += "h0";
        }
        is_drawn = true;
    }
    format!(
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    fn labels(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn series(name: &str, values: &[f64]) -> Series {
        Series { name: name.to_owned(), values: values.to_vec() }
    }

    fn look() -> Appearance {
        checks::look(None).unwrap()
    }

    #[test]
    fn bars_begin_at_zero() {
        let chart =
            bars(&labels("a b"), &[series("s", &[2.0, -1.0]), series("t", &[4.0, f64::NAN])], &look());
        assert_eq!(chart.matches("<rect").count(), 1 + 2 + 3); // background, legend, bars
        assert!(chart.contains("<title>a: 2</title>") && chart.contains("<title>b: -1</title>"), "{chart}");
        let height = |tip: &str| {
            let bar = chart.lines().find(|line| line.contains(tip)).unwrap();
            bar.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert!((height("a: 4") - 2.0 * height("a: 2")).abs() < 0.3);
    }

    #[test]
    fn lines_have_gaps() {
        let chart = lines(&labels("a b c d"), &[series("", &[1.0, f64::NAN, 2.0, 3.0])], &look());
        let path = chart.lines().find(|line| line.starts_with("<path")).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1));
        assert!(!chart.contains("width=\"10\""), "a series without a name has no legend");
    }

    #[test]
    fn points_lie_between_two_scales() {
        let points = Points { name: "p".to_owned(), x: vec![0.0, 1.0, f64::NAN], y: vec![0.0, 1.0, 2.0] };
        let chart = scatter(std::slice::from_ref(&points), &look());
        assert_eq!(chart.matches("<circle").count(), 2);
        assert!(curves(&[points], &look()).contains('L'));
    }

    #[test]
    fn every_value_is_in_a_bin() {
        let chart = histogram(&[0.0, 0.5, 1.0, 2.0, 2.0, f64::NAN], 2, &look()).unwrap();
        assert!(chart.contains("<title>2</title>") && chart.contains("<title>3</title>"), "{chart}");
        assert!(histogram(&[7.0, 7.0], 5, &look()).unwrap().contains("<title>2</title>"));
    }

    #[test]
    fn names_cannot_break_the_chart() {
        let look = checks::look(Some(crate::Look {
            title: Some("<b>".to_owned()),
            x_label: Some("&".to_owned()),
            y_label: Some("\"".to_owned()),
            width: Some(100),
            height: Some(100),
        }));
        let chart = bars(&["<script>".to_owned()], &[series("</svg>", &[1.0])], &look.unwrap());
        assert!(!chart.contains("<b>") && !chart.contains("<script>"), "{chart}");
        assert_eq!(chart.matches("</svg>").count(), 1);
    }
}
