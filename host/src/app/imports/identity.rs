//! Identity of a component in cache keys and in the digest of a run: its bytes, and what satisfies its imports.
//! Where a component comes from is no part of it.

use crate::app::imports::wiring::{Wire, WireEnd, Wiring};
use crate::model::{Digest, Digester};
use crate::sandbox::Component;
use std::collections::HashMap;

/// Returns the identity of each component, those of components that it imports from included.
///
/// `order` has each sound component after those that it imports from.
pub(crate) fn identities(
    order: &[usize],
    wirings: &[Option<Wiring<'_>>],
    components: &[Option<Component>],
) -> Vec<Option<Digest>> {
    let mut identities: Vec<Option<Digest>> = vec![None; components.len()];
    for at in order {
        if let Some(slot) = identities.get_mut(*at) {
            *slot = identity(*at, wirings, components);
        }
    }
    identities
}

/// A step of the walk over a component and its imports.
enum Step<'a> {
    /// A component with its imports.
    Component(usize),
    /// An import and what satisfies it.
    Import(&'a Wire<'a>),
}

/// Returns the digest of a component's bytes, or one over it and over all that the manifest satisfies its imports with.
///
/// A component that several import from counts once, and as its number afterwards: its importers share one instance. Two
/// components of the same bytes are two instances, which may give another result.
fn identity(root: usize, wirings: &[Option<Wiring<'_>>], components: &[Option<Component>]) -> Option<Digest> {
    let wires = |at: usize| wirings.get(at)?.as_ref().map(|wiring| &wiring.wires);
    let bytes = |at: usize| components.get(at)?.as_ref().map(Component::digest);
    if wires(root)?.is_empty() {
        return bytes(root).copied();
    }
    let mut digester = Digester::new("cascade callee 2");
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    // An explicit stack, because a chain of components may be long.
    let mut steps = vec![Step::Component(root)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Component(at) => {
                if let Some(number) = numbers.get(&at) {
                    digester.field(b"shared").number(count(*number));
                    continue;
                }
                numbers.insert(at, numbers.len());
                let mut sorted: Vec<&Wire<'_>> = wires(at)?.iter().collect();
                sorted.sort_by(|one, other| other.import.cmp(&one.import)); // the stack reverses them
                digester.field(b"component").digest(bytes(at)?).number(count(sorted.len()));
                steps.extend(sorted.into_iter().map(Step::Import));
            }
            Step::Import(wire) => {
                digester.field(wire.import.as_bytes());
                match &wire.end {
                    WireEnd::Trap => {
                        digester.field(b"trap");
                    }
                    WireEnd::Export(supplier, export) => {
                        digester.field(b"export").field(export.as_bytes());
                        steps.push(Step::Component(*supplier));
                    }
                }
            }
        }
    }
    Some(digester.finish())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
