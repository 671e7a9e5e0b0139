//! Composition of several components to one, in which the exports of some satisfy the imports of others.
//! Only this file knows the crate that does it. `worker` runs it in a process with bounds.

use crate::sandbox::compile::adapt::component_of;
use crate::sandbox::compile::misfit::{Link, Misfit};
use crate::sandbox::compile::panics::caught;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeError, EncodeOptions, InstantiationArgumentError, NodeId};

/// Components and their links, as they are sent to a worker process of the same host.
#[derive(Serialize, Deserialize)]
pub(crate) struct Composition<'a> {
    /// The components, each after those that it imports from. The last one gives its exports.
    #[serde(borrow)]
    pub(crate) parts: Vec<Part<'a>>,
}

/// A component of a composition. All that import from it share one instance.
#[derive(Serialize, Deserialize)]
pub(crate) struct Part<'a> {
    /// The component.
    #[serde(borrow, with = "serde_bytes")]
    pub(crate) bytes: Cow<'a, [u8]>,
    /// Imports that other parts satisfy. All others become imports of the composition.
    pub(crate) links: Vec<Link>,
}

impl Composition<'_> {
    /// Composes the parts, and returns the bytes of the new component.
    pub(crate) fn compose(self) -> Result<Vec<u8>, Misfit> {
        // The crate panics at what it does not support, such as interfaces without a name that share resources.
        caught(move || self.build()).unwrap_or_else(|panic| Err(unsupported(&panic)))
    }

    fn build(self) -> Result<Vec<u8>, Misfit> {
        let mut graph = CompositionGraph::new();
        let mut instances: Vec<NodeId> = Vec::new();
        let mut exports: Vec<String> = Vec::new();
        for (position, Part { bytes, links }) in self.parts.into_iter().enumerate() {
            let name = format!("part{position}");
            // A part may be a core module, which becomes a component first.
            let bytes = component_of(&bytes).map_err(Misfit::Other)?.into_owned();
            let package = Package::from_bytes(&name, None, bytes, graph.types_mut());
            let package = package.map_err(|error| Misfit::Other(format!("{error:#}")))?;
            let world = &graph.types()[package.ty()];
            exports = world.exports.keys().cloned().collect();
            let id = graph.register_package(package).map_err(other)?;
            let instance = graph.instantiate(id);
            for link in links {
                let from = *instances
                    .get(link.from)
                    .ok_or_else(|| Misfit::Other(format!("no part {}", link.from)))?;
                let export = graph.alias_instance_export(from, &link.export).map_err(other)?;
                let linked = graph.set_instantiation_argument(instance, &link.import, export);
                linked.map_err(|error| unlinked(position, link, error))?;
            }
            instances.push(instance);
        }
        if let Some(root) = instances.last() {
            for name in exports {
                let export = graph.alias_instance_export(*root, &name).map_err(other)?;
                graph.export(export, name).map_err(other)?;
            }
        }
        // The compiler validates the result, as it does every component.
        let options = EncodeOptions { validate: false, ..EncodeOptions::default() };
        graph.encode(options).map_err(|error| not_encoded(&instances, error))
    }
}

fn unsupported(panic: &str) -> Misfit {
    Misfit::Other(format!("composing does not support these components: {panic}"))
}

fn other(error: impl std::fmt::Display) -> Misfit {
    Misfit::Other(error.to_string())
}

fn unlinked(part: usize, link: Link, error: InstantiationArgumentError) -> Misfit {
    match error {
        InstantiationArgumentError::ArgumentTypeMismatch { source, .. } => {
            Misfit::Link { part, link, reason: format!("{source:#}") }
        }
        error => other(error), // mistakes of the caller
    }
}

fn not_encoded(instances: &[NodeId], error: EncodeError) -> Misfit {
    let position = |node| instances.iter().position(|instance| *instance == node).unwrap_or_default();
    match error {
        EncodeError::ImportTypeMergeConflict { import, first, second, source } => Misfit::Shared {
            import,
            parts: (position(first), position(second)),
            reason: format!("{source:#}"),
        },
        error => other(error), // invalid graphs, which `compose` does not build
    }
}
