//! Paths on a private disk: from a folder and a path to the node, through links, and never above the folder.
//! `tree` holds the nodes.

use crate::sandbox::guest::wasi::disk::tree::{DiskResult, Kind, NodeId, Tree};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// Maximum number of links that one path follows, as on Linux. Threat: links that lead to each other.
const MAX_LINKS: usize = 40;

/// Maximum length of a name, in bytes, as on Linux.
const MAX_NAME: usize = 255;

/// Treatment of a link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    /// The path leads on to the link's target.
    Followed,
    /// The path ends at the link.
    Kept,
}

/// The end of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The folder that has the name.
    pub(crate) folder: NodeId,
    /// The name in the folder; none if the path ends with `.` or `..`, whose names cannot be changed.
    pub(crate) name: Option<String>,
    /// The node of that name, if there is one.
    pub(crate) node: Option<NodeId>,
    /// Whether the path ends like that of a folder.
    pub(crate) is_folder_wanted: bool,
}

impl Place {
    /// Returns the node, or the error that there is none.
    pub(crate) fn existing(&self) -> Result<NodeId, ErrorCode> {
        self.node.ok_or(ErrorCode::NoEntry)
    }

    /// Returns the name in its folder, which the caller is about to change.
    pub(crate) fn changeable(&self) -> Result<(NodeId, &str), ErrorCode> {
        self.name.as_deref().map(|name| (self.folder, name)).ok_or(ErrorCode::Invalid)
    }

    /// Returns the name in its folder, which the caller is about to create.
    pub(crate) fn free(&self) -> Result<(NodeId, &str), ErrorCode> {
        match (self.node, self.name.as_deref()) {
            (None, Some(name)) => Ok((self.folder, name)),
            _ => Err(ErrorCode::Exist), // the node, or a folder on the way
        }
    }
}

/// Follows a path from a folder.
pub(crate) fn walk(tree: &Tree, base: NodeId, path: &str, last_link: LastLink) -> DiskResult<Place> {
    check(path)?;
    let mut folders = vec![base];
    let mut names: Vec<String> = Vec::new();
    let mut is_folder_wanted = ends_like_a_folder(path);
    push_names(&mut names, path);
    let mut links = 0;
    let mut found = Place { folder: base, name: None, node: Some(base), is_folder_wanted };
    while let Some(name) = names.pop() {
        let folder = folders.last().copied().unwrap_or(base);
        if name == ".." {
            folders.pop();
            // Above its folder, a guest has nothing.
            let above = folders.last().copied().ok_or(ErrorCode::NotPermitted)?;
            found = Place { folder: above, name: None, node: Some(above), is_folder_wanted };
            continue;
        }
        if name.len() > MAX_NAME {
            return Err(ErrorCode::NameTooLong.into());
        }
        let is_last = names.is_empty();
        let Some(id) = tree.entries(folder)?.get(&name).copied() else {
            if !is_last {
                return Err(ErrorCode::NoEntry.into());
            }
            return Ok(Place { folder, name: Some(name), node: None, is_folder_wanted });
        };
        match &tree.node(id)?.kind {
            Kind::Link(target) if !is_last || is_folder_wanted || last_link == LastLink::Followed => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(ErrorCode::Loop.into());
                }
                is_folder_wanted |= is_last && ends_like_a_folder(target);
                push_names(&mut names, target);
                found = Place { folder, name: None, node: Some(folder), is_folder_wanted };
            }
            Kind::Folder(..) => {
                folders.push(id);
                found = Place { folder, name: Some(name), node: Some(id), is_folder_wanted };
            }
            _ if is_last && !is_folder_wanted => {
                return Ok(Place { folder, name: Some(name), node: Some(id), is_folder_wanted });
            }
            _ => return Err(ErrorCode::NotDirectory.into()), // a file on the way, or with a slash behind it
        }
    }
    Ok(Place { is_folder_wanted, ..found })
}

fn check(path: &str) -> Result<(), ErrorCode> {
    match path {
        "" => Err(ErrorCode::NoEntry),
        _ if path.starts_with('/') => Err(ErrorCode::NotPermitted),
        _ if path.contains('\0') => Err(ErrorCode::Invalid),
        _ => Ok(()),
    }
}

fn ends_like_a_folder(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("" | "." | ".."))
}

/// Adds the names of a path, so that the first one is popped first.
fn push_names(names: &mut Vec<String>, path: &str) {
    let parts = path.split('/').rev().filter(|part| !part.is_empty() && *part != ".");
    names.extend(parts.map(str::to_owned));
}
