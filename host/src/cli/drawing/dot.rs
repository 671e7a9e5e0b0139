//! A picture as DOT text for Graphviz. States differ by shape, border and word besides colour.

use crate::cli::drawing::Picture;
use crate::cli::drawing::picture::{Form, TaskBox};
use crate::cli::drawing::state::State;
use crate::graph::LinkKind;

impl Picture {
    /// Returns the picture as a directed graph.
    pub(crate) fn to_dot(&self) -> String {
        let caption = self.caption.iter().map(|caption| format!("\\n{}", escape(caption)));
        let title = escape(&self.title) + &caption.collect::<String>();
        let mut text = format!(
            "digraph {{\n  graph [label=\"{title}\", labelloc=t, fontname=\"sans-serif\", ranksep=0.4]\n  \
             node [shape=box, style=\"filled\", fillcolor=\"#f6f8fa\", color=\"#818b98\", fontcolor=\"#1f2328\", \
             fontname=\"monospace\", fontsize=11]\n  edge [color=\"#818b98\", arrowsize=0.7]\n"
        );
        for (position, task_box) in self.boxes.iter().enumerate() {
            text.push_str(&format!("  t{position} [label=\"{}\"{}]\n", content(task_box), look(task_box)));
        }
        for line in &self.lines {
            let style = match line.kind {
                LinkKind::Data => "",
                LinkKind::Case => " [style=dashed]",
                LinkKind::Order => " [style=dotted]",
            };
            text.push_str(&format!("  t{} -> t{}{style}\n", line.from, line.to));
        }
        text + "}\n"
    }
}

fn content(task_box: &TaskBox) -> String {
    let lines = std::iter::once(&task_box.name).chain(&task_box.details);
    let lines = lines.chain(task_box.status.as_ref().map(|status| &status.words));
    lines.filter(|line| !line.is_empty()).map(|line| escape(line)).collect::<Vec<_>>().join("\\n")
}

/// Returns the attributes of a box: a second border if there is more than one task in it, and the look of its state.
fn look(task_box: &TaskBox) -> String {
    let borders = match task_box.form {
        Form::One => "",
        Form::Many | Form::Pipeline => ", peripheries=2",
    };
    let state = match task_box.status.as_ref().map(|status| status.state) {
        None | Some(State::Open) => "",
        Some(State::Done) => {
            ", style=\"filled,rounded\", fillcolor=\"#dafbe1\", color=\"#1a7f37\", fontcolor=\"#0b3d1a\""
        }
        Some(State::Cached) => {
            ", shape=cylinder, fillcolor=\"#ddf4ff\", color=\"#0969da\", fontcolor=\"#0a3069\""
        }
        Some(State::Skipped) => ", style=\"filled,dashed\", fontcolor=\"#59636e\"",
        Some(State::Failed) => {
            ", shape=octagon, penwidth=2, fillcolor=\"#ffebe9\", color=\"#cf222e\", fontcolor=\"#66121a\""
        }
        Some(State::Running) => {
            ", shape=component, fillcolor=\"#fff8c5\", color=\"#9a6700\", fontcolor=\"#4d2d00\""
        }
        Some(State::Retrying) => {
            ", shape=parallelogram, fillcolor=\"#fff1e5\", color=\"#bc4c00\", fontcolor=\"#5c2000\""
        }
        Some(State::Stopped) => {
            ", shape=trapezium, fillcolor=\"#fff1e5\", color=\"#bc4c00\", fontcolor=\"#5c2000\""
        }
    };
    format!("{borders}{state}")
}

/// Escapes a text for a quoted string.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(escape("a\"b\\N"), "a\\\"b\\\\N");
    }
}
