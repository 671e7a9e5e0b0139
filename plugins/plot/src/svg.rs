//! Responsible for SVG as text: numbers, names, elements.
//! Leaves what is drawn to the other files.

/// Colours of Okabe and Ito, which most colour-blind people can tell apart.
pub const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800", "#555555"];

/// The colour of a series.
pub fn colour(number: usize) -> &'static str {
    COLOURS.get(number % COLOURS.len()).copied().unwrap_or("#555555")
}

/// A coordinate in pixels, to a tenth of one.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    let short = text.strip_suffix(".0").unwrap_or(&text);
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// Text that is no tag. Control characters, which XML has none of, are left out.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            control if control < ' ' => {}
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text.
pub fn text((x, y): (f64, f64), anchor: Anchor, content: &str) -> String {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    format!("<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>\n", px(x), px(y), escaped(content))
}

/// A straight line of the frame.
pub fn rule((x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) -> String {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(px);
    format!("<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{colour}\"/>\n")
}

/// How wide a text is about, in pixels: wide scripts take more.
pub fn width(text: &str) -> f64 {
    text.chars().map(|letter| if letter < '\u{1100}' { 6.6 } else { 12.0 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(1.0, "1"), (0.04, "0"), (-0.04, "0"), (2.25, "2.2"), (-1.06, "-1.1")] {
            assert_eq!(px(value), text);
        }
    }

    #[test]
    fn names_are_no_tags() {
        assert_eq!(escaped("<a b=\"c\">&\u{1}\n"), "&lt;a b=&quot;c&quot;&gt;&amp; ");
    }
}
