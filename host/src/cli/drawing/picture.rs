//! A picture: boxes and the lines between them, bounded, with every text ready to be escaped by a format.
//! `build` makes it of a graph.

use crate::cli::drawing::state::BoxStatus;
use crate::cli::print::escape_control_line;
use crate::graph::LinkKind;

/// Maximum number of boxes. More cannot be read, and GitHub refuses larger Mermaid texts.
pub(crate) const MAX_BOXES: usize = 300;

/// Maximum number of lines: GitHub's Mermaid draws at most 500.
pub(crate) const MAX_LINES: usize = 500;

/// Maximum number of characters of a text in a box.
const MAX_TEXT: usize = 48;

/// A bounded picture of a graph.
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    /// Name of the pipeline, with run and status if there is one.
    pub(crate) title: String,
    /// What was left out or joined, if anything.
    pub(crate) caption: Option<String>,
    pub(crate) boxes: Vec<TaskBox>,
    pub(crate) lines: Vec<Line>,
}

/// A task, a pipeline, or several tasks.
#[derive(Debug, PartialEq)]
pub(crate) struct TaskBox {
    pub(crate) name: String,
    /// Short lines below the name.
    pub(crate) details: Vec<String>,
    pub(crate) form: Form,
    pub(crate) status: Option<BoxStatus>,
}

/// What a box has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A single call.
    One,
    /// Many calls: a `for-each`, or several tasks that were joined.
    Many,
    /// The tasks of another manifest.
    Pipeline,
}

/// A line between boxes, given by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) kind: LinkKind,
}

impl Picture {
    /// Returns the kinds of lines that occur, the strongest first, each with its explanation.
    pub(crate) fn legend(&self) -> Vec<(LinkKind, &'static str)> {
        let kinds = [
            (LinkKind::Data, "reads the output"),
            (LinkKind::Case, "reads it if `select` chooses it"),
            (LinkKind::Order, "order only"),
        ];
        let occurs = |kind: LinkKind| self.lines.iter().any(|line| line.kind == kind);
        kinds.into_iter().filter(|(kind, _)| occurs(*kind)).collect()
    }
}

/// Makes a text safe to show, and short.
pub(crate) fn label(text: &str) -> String {
    let shown = escape_control_line(text);
    if shown.chars().count() <= MAX_TEXT {
        return shown.into_owned();
    }
    shown.chars().take(MAX_TEXT - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_harmless() {
        assert_eq!(label("a\u{1b}[2J\n"), "a\\u{1b}[2J\\u{a}");
        assert_eq!(label(&"x".repeat(MAX_TEXT)), "x".repeat(MAX_TEXT));
        assert_eq!(label(&"x".repeat(MAX_TEXT + 1)).chars().count(), MAX_TEXT);
    }
}
