//! Responsible for what stands around the marks: title, axes, legend.
//! Leaves the marks to `marks`.

use crate::checks::Appearance;
use crate::scale::Scale;
use crate::svg;
use crate::svg::{Anchor, px};
use std::fmt::Write as _;

const GRID: &str = "#e4e4e4";
const AXIS: &str = "#888888";
/// Between labels of the axis below, in pixels.
const GAP: f64 = 8.0;

/// The rectangle that the marks are drawn in.
pub struct Area {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// What a chart shows of its axis below.
pub enum Below<'a> {
    /// A label for each of equal parts.
    Labels(&'a [String]),
    Scale(&'a Scale),
}

/// A chart that is being drawn.
pub struct Frame<'a> {
    look: &'a Appearance,
    names: Vec<&'a str>,
    pub area: Area,
}

impl<'a> Frame<'a> {
    /// Leaves as much space around the marks as the texts take. A single series without a name has no legend.
    pub fn new(look: &'a Appearance, names: impl Iterator<Item = &'a str>, widest: f64) -> Self {
        let names: Vec<&str> = names.collect();
        let has_legend = names.iter().any(|name| !name.is_empty());
        let names = if has_legend { names } else { Vec::new() };
        let heading =
            [look.title.is_some(), look.y_label.is_some(), has_legend].iter().filter(|line| **line).count();
        let lines = u32::try_from(heading).unwrap_or(0);
        let area = Area {
            left: (widest + 16.0).min(look.width / 3.0),
            right: look.width - 16.0,
            top: 14.0 + 20.0 * f64::from(lines),
            bottom: look.height - if look.x_label.is_some() { 44.0 } else { 26.0 },
        };
        Self { look, names, area }
    }

    /// The whole chart around its marks.
    pub fn around(&self, marks: &str, left: &Scale, below: &Below<'_>) -> String {
        let [width, height] = [self.look.width, self.look.height].map(px);
        let mut chart = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333333\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        chart += &self.heading();
        chart += &self.left(left);
        chart += &self.below(below);
        chart += marks;
        chart += "</svg>\n";
        chart
    }

    /// Title, legend and the label of the axis at the left, one below the other.
    fn heading(&self) -> String {
        let mut heading = String::new();
        let mut y = 22.0;
        if let Some(title) = &self.look.title {
            let middle = px(self.look.width / 2.0);
            let title = svg::escaped(title);
            heading += &format!(
                "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n",
                px(y)
            );
            y += 20.0;
        }
        let mut x = self.area.left;
        for (number, name) in self.names.iter().enumerate() {
            let [left, top] = [x, y - 9.0].map(px);
            let colour = svg::colour(number);
            heading +=
                &format!("<rect x=\"{left}\" y=\"{top}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\n");
            heading += &svg::text((x + 14.0, y), Anchor::Start, name);
            x += svg::width(name) + 30.0;
        }
        if !self.names.is_empty() {
            y += 20.0;
        }
        if let Some(label) = &self.look.y_label {
            heading += &svg::text((8.0, y), Anchor::Start, label);
        }
        heading
    }

    fn left(&self, scale: &Scale) -> String {
        let Area { left, right, .. } = self.area;
        let mut axis = String::new();
        for (value, text) in scale.ticks() {
            let y = scale.place(value);
            axis += &svg::rule((left, y), (right, y), if value == 0.0 { AXIS } else { GRID });
            axis += &svg::text((left - 6.0, y + 4.0), Anchor::End, &text);
        }
        axis
    }

    fn below(&self, below: &Below<'_>) -> String {
        let Area { left, right, top, bottom } = self.area;
        let mut axis = svg::rule((left, bottom), (right, bottom), AXIS);
        match below {
            Below::Labels(labels) => axis += &self.labels(labels),
            Below::Scale(scale) => {
                for (value, text) in scale.ticks() {
                    let x = scale.place(value);
                    axis += &svg::rule((x, top), (x, bottom), if value == 0.0 { AXIS } else { GRID });
                    axis += &svg::text((x, bottom + 16.0), Anchor::Middle, &text);
                }
            }
        }
        if let Some(label) = &self.look.x_label {
            axis += &svg::text((f64::midpoint(left, right), bottom + 36.0), Anchor::Middle, label);
        }
        axis
    }

    /// As many labels as have room, at equal distances.
    fn labels(&self, labels: &[String]) -> String {
        let widest = labels.iter().map(|label| svg::width(label)).fold(1.0, f64::max);
        let part = self.part(labels.len());
        let every = (1..=labels.len())
            .find(|every| f64::from(count(*every)) * part >= widest + GAP)
            .unwrap_or(labels.len());
        let mut axis = String::new();
        for (number, label) in labels.iter().enumerate().step_by(every.max(1)) {
            axis += &svg::text(
                (self.middle(number, labels.len()), self.area.bottom + 16.0),
                Anchor::Middle,
                label,
            );
        }
        axis
    }

    /// The width of one of equal parts.
    pub fn part(&self, parts: usize) -> f64 {
        (self.area.right - self.area.left) / f64::from(count(parts.max(1)))
    }

    /// The middle of one of equal parts.
    pub fn middle(&self, number: usize, parts: usize) -> f64 {
        self.area.left + self.part(parts) * (f64::from(count(number)) + 0.5)
    }
}

/// Lossless: a chart has at most 100,000 values.
pub fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Appends to marks what a mark is when one hovers over it.
pub fn tip(marks: &mut String, text: &str) {
    _ = write!(marks, "<title>{}</title>", svg::escaped(text)); // writing to a text cannot fail
}
