//! Resources of all manifests, joined by name: those of one name are one resource, and have to be equal.
//! `names` checks what tasks request.

use crate::graph::Place;
use crate::manifest::{Part, Resource};
use crate::model::{Fault, Name};
use std::collections::HashMap;

/// The resources of all manifests.
pub(crate) struct Joined {
    /// The distinct ones.
    pub(crate) distinct: Vec<Place>,
    /// By manifest and position in its section: position among the distinct ones.
    pub(crate) positions: Vec<Vec<usize>>,
}

/// Joins the resources of all manifests. Those of one name that differ are reported.
pub(crate) fn join(parts: &[Part], faults: &mut Vec<Fault>) -> Joined {
    let mut joined = Joined { distinct: Vec::new(), positions: Vec::with_capacity(parts.len()) };
    let mut known: HashMap<&Name, (usize, &Resource)> = HashMap::new();
    for (manifest, part) in parts.iter().enumerate() {
        let mut positions = Vec::with_capacity(part.manifest.resources.len());
        for (position, (name, resource)) in part.manifest.resources.iter().enumerate() {
            let next = (joined.distinct.len(), resource);
            let (at, first) = *known.entry(name).or_insert(next);
            if at == joined.distinct.len() {
                joined.distinct.push(Place { manifest, position });
            }
            if (first.capacity, first.scope) != (resource.capacity, resource.scope) {
                faults.push(differing(name, resource, first));
            }
            positions.push(at);
        }
        joined.positions.push(positions);
    }
    joined
}

fn differing(name: &Name, resource: &Resource, first: &Resource) -> Fault {
    let message = format!("the resource `{name}` differs from that of another manifest");
    let fault = Fault::spanned(resource.span.clone(), message);
    fault
        .label(format!("{} here", resource.capacity))
        .related(first.span.clone(), format!("{} here", first.capacity))
        .note("resources of one name are one resource in all manifests of a run")
        .help("write the same amount or rate and the same scope in both, or rename one")
}
