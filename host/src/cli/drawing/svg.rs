//! A picture as an SVG image without scripts, fonts or links, in the colours that the reader's system prefers.
//! `layout` computes the places. States differ by outline, sign and word besides colour.

use crate::cli::drawing::Picture;
use crate::cli::drawing::layout::{LINE, Layout, PADDING, Placed, Point, SIGN, lay_out};
use crate::cli::drawing::picture::{Form, TaskBox};
use crate::cli::drawing::state::State;
use crate::graph::LinkKind;

/// Space around the picture.
const MARGIN: f64 = 24.0;

/// Space above it, for the title.
const HEAD: f64 = 30.0;

/// Minimum width, so that title and legend have room.
const MIN_WIDTH: f64 = 420.0;

/// The looks, for light and for dark screens.
const STYLE: &str = include_str!("style.css");

impl Picture {
    /// Returns the picture as an SVG image.
    pub(crate) fn to_svg(&self) -> String {
        let layout = lay_out(self);
        let notes = self.notes();
        let rows = f64::from(u16::try_from(notes.len()).unwrap_or(u16::MAX));
        let foot = if notes.is_empty() { 0.0 } else { 12.0 + rows * LINE };
        let widest = notes.iter().chain([&self.title]).map(String::len).max().unwrap_or(0);
        let text_width = 8.0 * f64::from(u16::try_from(widest).unwrap_or(u16::MAX));
        let width = (layout.size.x.max(text_width) + 2.0 * MARGIN).max(MIN_WIDTH).ceil();
        let height = (layout.size.y + 2.0 * MARGIN + HEAD + foot).ceil();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
             <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"{MARGIN}\" dy=\"8\">{title}</text>\n",
            title = escape(&self.title)
        );
        let left = (width - layout.size.x) / 2.0;
        svg.push_str(&format!("<g transform=\"translate({left:.1} {:.1})\">\n", MARGIN + HEAD));
        self.put_lines(&mut svg, &layout);
        for (task_box, placed) in self.boxes.iter().zip(&layout.boxes) {
            put_box(&mut svg, task_box, *placed);
        }
        svg.push_str("</g>\n");
        let mut below = height - foot - MARGIN / 2.0;
        for note in &notes {
            below += LINE;
            svg.push_str(&format!(
                "<text class=\"note\" x=\"{MARGIN}\" y=\"{below:.1}\">{}</text>\n",
                escape(note)
            ));
        }
        svg + "</svg>\n"
    }

    /// Returns the notes below the picture: the number of joined tasks, and a legend if there are several kinds of lines.
    fn notes(&self) -> Vec<String> {
        let legend = self.legend();
        let kinds = legend.iter().map(|(kind, meaning)| {
            let look = match kind {
                LinkKind::Data => "solid",
                LinkKind::Case => "dashed",
                LinkKind::Order => "dotted",
            };
            format!("{look}: {meaning}")
        });
        let kinds = (legend.len() > 1).then(|| kinds.collect::<Vec<_>>().join(" · "));
        self.caption.clone().into_iter().chain(kinds).collect()
    }

    fn put_lines(&self, svg: &mut String, layout: &Layout) {
        for (line, way) in self.lines.iter().zip(&layout.ways) {
            let class = match line.kind {
                LinkKind::Data => "line",
                LinkKind::Case => "line case",
                LinkKind::Order => "line order",
            };
            svg.push_str(&format!(
                "<path class=\"{class}\" marker-end=\"url(#tip)\" d=\"{}\"/>\n",
                curve(way)
            ));
        }
    }
}

/// Returns a smooth path near the points that begins at the first and ends at the last: a quadratic curve around each
/// point between, from one middle to the next.
fn curve(way: &[Point]) -> String {
    let [first, between @ .., last] = way else { return String::new() };
    let mut path = format!("M{:.1} {:.1}", first.x, first.y);
    for (at, next) in between.iter().zip(between.iter().skip(1)) {
        let (x, y) = (f64::midpoint(at.x, next.x), f64::midpoint(at.y, next.y));
        path.push_str(&format!("Q{:.1} {:.1} {x:.1} {y:.1}", at.x, at.y));
    }
    match between.last() {
        Some(at) => path.push_str(&format!("Q{:.1} {:.1} {:.1} {:.1}", at.x, at.y, last.x, last.y)),
        None => path.push_str(&format!("L{:.1} {:.1}", last.x, last.y)),
    }
    path
}

fn put_box(svg: &mut String, task_box: &TaskBox, placed: Placed) {
    let state = task_box.status.as_ref().map(|status| status.state);
    let Placed { middle, size } = placed;
    let corner = Point { x: middle.x - size.x / 2.0, y: middle.y - size.y / 2.0 };
    svg.push_str(&format!(
        "<g class=\"{}\" transform=\"translate({:.1} {:.1})\">",
        state.map_or("plain", State::word),
        corner.x,
        corner.y
    ));
    let outline = outline(state, size);
    match task_box.form {
        Form::One => {}
        // A second card behind the first.
        Form::Many => svg.push_str(&format!("<g transform=\"translate(5 5)\">{outline}</g>")),
        Form::Pipeline => svg.push_str(&format!(
            "<rect class=\"frame\" x=\"-4\" y=\"-4\" width=\"{:.1}\" height=\"{:.1}\" rx=\"8\"/>",
            size.x + 8.0,
            size.y + 8.0
        )),
    }
    svg.push_str(&outline);
    let mut y = PADDING + 12.0;
    svg.push_str(&format!(
        "<text class=\"name\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
        PADDING + 4.0,
        escape(&task_box.name)
    ));
    for line in task_box.details.iter().filter(|line| !line.is_empty()) {
        y += LINE;
        svg.push_str(&format!(
            "<text class=\"detail\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            PADDING + 4.0,
            escape(line)
        ));
    }
    if let Some(status) = &task_box.status {
        y += LINE;
        svg.push_str(&format!(
            "<path class=\"sign\" transform=\"translate({:.1} {:.1})\" d=\"{}\"/>\
             <text class=\"word\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            PADDING + 4.0,
            y - 9.0,
            sign(status.state),
            PADDING + 4.0 + SIGN,
            escape(&status.words)
        ));
    }
    svg.push_str("</g>\n");
}

/// Returns the outline of a box, which differs by state.
fn outline(state: Option<State>, Point { x, y }: Point) -> String {
    let rounded =
        |radius: f64| format!("<rect class=\"box\" width=\"{x:.1}\" height=\"{y:.1}\" rx=\"{radius:.1}\"/>");
    let path = |d: String| format!("<path class=\"box\" d=\"{d}\"/>");
    match state {
        None => rounded(5.0),
        Some(State::Open | State::Skipped) => rounded(0.0),
        Some(State::Done) => rounded(10.0),
        Some(State::Cached) => rounded(20.0),
        Some(State::Failed) => path(format!(
            "M9 0H{:.1}L{x:.1} 9V{:.1}L{:.1} {y:.1}H9L0 {:.1}V9z",
            x - 9.0,
            y - 9.0,
            x - 9.0,
            y - 9.0
        )),
        Some(State::Running | State::Retrying) => {
            rounded(3.0) + &format!("<path class=\"box\" d=\"M5 0V{y:.1}M{0:.1} 0V{y:.1}\"/>", x - 5.0)
        }
        Some(State::Stopped) => path(format!("M0 0H{:.1}L{x:.1} 14V{y:.1}H0z", x - 14.0)),
    }
}

/// Returns the sign of a state, ten units wide and high.
const fn sign(state: State) -> &'static str {
    match state {
        State::Done => "M1 5.5L4 8.5L9 1.5",
        State::Cached => "M9 5A4 4 0 1 1 7 1.6M7 -1V2H4",
        State::Skipped => "M1 2L5 5L1 8M5 2L9 5L5 8",
        State::Failed => "M1.5 1.5L8.5 8.5M8.5 1.5L1.5 8.5",
        State::Running => "M2 1L9 5L2 9z",
        State::Retrying => "M9 5A4 4 0 1 1 5 1M5 -1.5V3.5",
        State::Stopped => "M1.5 1.5H8.5V8.5H1.5z",
        State::Open => "M5 1A4 4 0 1 1 4.99 1z",
    }
}

/// Escapes a text for an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_an_element() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }

    #[test]
    fn curves_begin_and_end_at_their_boxes() {
        let way: Vec<Point> = [0.0, 10.0, 20.0, 30.0].map(|at| Point { x: at, y: at }).into();
        assert_eq!(curve(&way), "M0.0 0.0Q10.0 10.0 15.0 15.0Q20.0 20.0 30.0 30.0");
        assert_eq!(curve(&way[..2]), "M0.0 0.0L10.0 10.0");
        assert_eq!(curve(&[]), "");
    }
}
