//! The format of a drawing: the one that is named, or the one that the name of its file stands for.
//! `drawing` has the formats themselves.

use crate::app::Refusal;
use std::path::Path;

/// Format of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    /// Mermaid text, which GitHub draws.
    Mermaid,
    /// DOT text for Graphviz.
    Dot,
    /// An SVG image.
    Svg,
    /// All tasks and links, for programs.
    Json,
}

impl GraphFormat {
    /// Returns the named format, else that of the file, else Mermaid.
    pub(crate) fn choose(named: Option<Self>, out: Option<&Path>) -> Result<Self, Refusal> {
        match (named, out) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Self::Mermaid),
            (None, Some(out)) => Self::of_file(out).ok_or_else(|| {
                Refusal::new(format!("the name `{}` stands for no format", out.display()))
                    .help("end it with `.svg`, `.dot`, `.mmd` or `.json`, or name the format with `--format`")
            }),
        }
    }

    fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "svg" => Some(Self::Svg),
            "dot" | "gv" => Some(Self::Dot),
            "mmd" | "mermaid" => Some(Self::Mermaid),
            "json" => Some(Self::Json),
            _ => None, // names of other programs' files
        }
    }
}
