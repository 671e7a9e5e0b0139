//! A picture as Mermaid text, which GitHub draws in Markdown. States differ by shape, border and word besides colour.

use crate::cli::drawing::Picture;
use crate::cli::drawing::picture::TaskBox;
use crate::cli::drawing::state::State;
use crate::graph::LinkKind;

impl Picture {
    /// Returns the picture as a flowchart.
    pub(crate) fn to_mermaid(&self) -> String {
        let mut text = format!("---\ntitle: {}\n---\nflowchart TB\n", quoted(&self.title));
        if let Some(caption) = &self.caption {
            text.push_str(&format!("  %% {}\n", caption.replace('%', "")));
        }
        for (position, task_box) in self.boxes.iter().enumerate() {
            let (open, close) = shape(task_box);
            text.push_str(&format!("  t{position}{open}\"{}\"{close}\n", content(task_box)));
        }
        for line in &self.lines {
            let arrow = match line.kind {
                LinkKind::Data => "-->",
                LinkKind::Case => "-. case .->",
                LinkKind::Order => "-.->",
            };
            text.push_str(&format!("  t{} {arrow} t{}\n", line.from, line.to));
        }
        for state in State::ALL {
            let has_state = |task_box: &TaskBox| task_box.status.as_ref().map(|s| s.state) == Some(state);
            let boxes = self.boxes.iter().enumerate().filter(|(_, task_box)| has_state(task_box));
            let ids: Vec<String> = boxes.map(|(position, _)| format!("t{position}")).collect();
            if !ids.is_empty() {
                let word = state.word();
                text.push_str(&format!(
                    "  classDef {word} {}\n  class {} {word}\n",
                    style(state),
                    ids.join(",")
                ));
            }
        }
        text
    }
}

/// Returns the text of a box: its name, its details and its state, line by line.
fn content(task_box: &TaskBox) -> String {
    let mut lines = vec![format!("<b>{}</b>", escape(&task_box.name))];
    lines.extend(task_box.details.iter().filter(|line| !line.is_empty()).map(|line| escape(line)));
    lines.extend(task_box.status.as_ref().map(|status| format!("<i>{}</i>", escape(&status.words))));
    lines.join("<br/>")
}

/// Returns the brackets of a shape.
fn shape(task_box: &TaskBox) -> (&'static str, &'static str) {
    match task_box.status.as_ref().map(|status| status.state) {
        None | Some(State::Open | State::Skipped) => ("[", "]"),
        Some(State::Done) => ("(", ")"),
        Some(State::Cached) => ("([", "])"),
        Some(State::Failed) => ("{{", "}}"),
        Some(State::Running) => ("[[", "]]"),
        Some(State::Retrying) => ("[/", "/]"),
        Some(State::Stopped) => ("[/", "\\]"),
    }
}

/// Returns colours that can be read on light and dark pages alike.
const fn style(state: State) -> &'static str {
    match state {
        State::Done => "fill:#dafbe1,stroke:#1a7f37,color:#0b3d1a",
        State::Cached => "fill:#ddf4ff,stroke:#0969da,color:#0a3069",
        State::Skipped => "fill:#f6f8fa,stroke:#818b98,color:#59636e,stroke-dasharray:4 3",
        State::Failed => "fill:#ffebe9,stroke:#cf222e,color:#66121a,stroke-width:3px",
        State::Running => "fill:#fff8c5,stroke:#9a6700,color:#4d2d00,stroke-width:2px",
        State::Retrying => "fill:#fff1e5,stroke:#bc4c00,color:#5c2000,stroke-dasharray:6 3",
        State::Stopped => "fill:#fff1e5,stroke:#bc4c00,color:#5c2000",
        State::Open => "fill:#ffffff,stroke:#818b98,color:#1f2328",
    }
}

/// Escapes a text for a quoted label: all but letters, digits and harmless signs as entities.
fn escape(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || " ._-,:/…×".contains(c);
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

/// Quotes a text for the front matter, which is YAML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_no_sign_that_ends_them() {
        assert_eq!(escape("a\"b`c;<d>#{}"), "a#34;b#96;c#59;#60;d#62;#35;#123;#125;");
        assert_eq!(quoted("a \"b\" \\"), "\"a \\\"b\\\" \\\\\"");
    }
}
