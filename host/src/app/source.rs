//! Reads the manifest at a path, with those that it includes, into a graph, with every fault of their texts.
//! `checked` loads the components.

use crate::app::{Error, Refusal};
use crate::config::{as_text, folder_of, read_at_most, read_input};
use crate::graph;
use crate::graph::Resolved;
use crate::manifest;
use crate::manifest::{Files, Unreadable};
use crate::model::{Shortage, Size, Source, other_encoding};
use std::path::{Path, PathBuf};

/// Reads and resolves a manifest and those that it includes. Fails only if its text cannot be read; all faults come with
/// the graph.
pub(crate) fn read(path: &Path) -> Result<Resolved, Error> {
    let source = Source { name: path.display().to_string(), text: text(path)?.into() };
    Ok(graph::resolve(manifest::load(source, folder_of(path), Some(path), &mut Disk)))
}

/// Resolves a manifest in text, and reads those that it includes. The faults come with the graph.
#[must_use]
pub(crate) fn parse(name: &str, text: &str, folder: &Path) -> Resolved {
    let source = Source { name: name.to_owned(), text: text.into() };
    graph::resolve(manifest::load(source, folder, None, &mut Disk))
}

/// The files of this host.
struct Disk;

/// Maximum size of an included manifest.
const MAX_INCLUDED: Size = Size::bytes(64 << 20);

impl Files for Disk {
    fn identify(&mut self, path: &Path) -> Result<PathBuf, Unreadable> {
        let found = path.canonicalize().map_err(|error| unreadable(&error))?;
        if found.is_dir() {
            let help = "name the TOML file in it".to_owned();
            return Err(Unreadable { reason: "it is a folder".to_owned(), help });
        }
        Ok(found)
    }

    fn read(&mut self, path: &Path) -> Result<String, Unreadable> {
        let bytes = read_at_most(path, MAX_INCLUDED).map_err(|error| unreadable(&error))?;
        if let Some(encoding) = other_encoding(&bytes) {
            let reason = format!("it is {encoding} text");
            return Err(Unreadable { reason, help: "save it as UTF-8".to_owned() });
        }
        as_text(bytes).map_err(|_| Unreadable {
            reason: "it is not UTF-8 text".to_owned(),
            help: "name a TOML file; a component belongs into `[components]`".to_owned(),
        })
    }
}

fn unreadable(error: &std::io::Error) -> Unreadable {
    let help = "paths are relative to the folder of the manifest that names them".to_owned();
    let help = Shortage::from_error(error).map_or(help, |shortage| shortage.help().to_string());
    Unreadable { reason: error.to_string(), help }
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
