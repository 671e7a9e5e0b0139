//! The private disk of a call: `/tmp` and `/dev` in host memory, the same on every machine, gone with the call.
//! Granted folders are files of the host; `opening`, `listings` and `streams` serve those.

mod quota;
mod content;
mod tree;
mod walk;
mod descriptor;
mod operations;
mod streams;
mod devices;
mod calls;
#[cfg(test)]
mod tests;

pub(crate) use calls::{covers, link, split};
pub(crate) use content::Content;
pub(crate) use descriptor::{DiskListing, SharedTree};
pub(crate) use operations::Opening;
pub(crate) use tree::{Kind as NodeKind, NodeId, Tree, WORK, is_fixed};
pub(crate) use walk::{LastLink, walk};
