//! Reads the manifest at a path into a graph, with every fault of its text.
//! `checked` loads the components.

use crate::app::{Error, Refusal};
use crate::config::{as_text, folder_of, read_input};
use crate::graph;
use crate::graph::Resolved;
use crate::manifest;
use crate::model::{Source, other_encoding};
use std::path::Path;

/// Reads and resolves a manifest. Fails only if the text cannot be read; its faults come with the graph.
pub(crate) fn read(path: &Path) -> Result<Resolved, Error> {
    let text = text(path)?;
    Ok(parse(&path.display().to_string(), &text, folder_of(path)))
}

/// Resolves a manifest in text. Its faults come with the graph.
#[must_use]
pub(crate) fn parse(name: &str, text: &str, folder: &Path) -> Resolved {
    let source = Source { name: name.to_owned(), text: text.into() };
    graph::resolve(manifest::parse(source, folder))
}

fn text(path: &Path) -> Result<String, Refusal> {
    let refuse = |error: std::io::Error| {
        Refusal::new(format!("cannot read the manifest `{}`", path.display()))
            .help("give the path of a TOML file, for example `cascade-host run manifest.toml`")
            .caused_by(error)
    };
    let bytes = read_input(path).map_err(refuse)?;
    if let Some(encoding) = other_encoding(&bytes) {
        let message = format!("the manifest `{}` is {encoding} text", path.display());
        return Err(Refusal::new(message).help("save it as UTF-8"));
    }
    as_text(bytes).map_err(|_| {
        Refusal::new(format!("`{}` is not UTF-8 text", path.display()))
            .help("a manifest is a TOML file that names its components; a component is not a manifest")
    })
}
