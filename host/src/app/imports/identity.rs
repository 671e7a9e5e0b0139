//! Identity of a component in cache keys and in the digest of a run: its bytes, and what satisfies its imports.
//! Where a component comes from is no part of it.

use crate::app::imports::wiring::{Wire, WireEnd, Wiring};
use crate::model::{Digest, Digester};
use crate::sandbox::Component;

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
        let (Some(Some(wiring)), Some(Some(component))) = (wirings.get(*at), components.get(*at)) else {
            continue;
        };
        let identity = identity(component.digest(), &wiring.wires, &identities);
        if let Some(slot) = identities.get_mut(*at) {
            *slot = identity;
        }
    }
    identities
}

/// Returns the digest of a component's bytes, or one over it and over each import that the manifest satisfies.
fn identity(bytes: &Digest, wires: &[Wire<'_>], identities: &[Option<Digest>]) -> Option<Digest> {
    if wires.is_empty() {
        return Some(*bytes);
    }
    let mut wires: Vec<&Wire<'_>> = wires.iter().collect();
    wires.sort_by(|one, other| one.import.cmp(&other.import));
    let mut digester = Digester::new("cascade callee 1");
    digester.digest(bytes);
    for wire in wires {
        digester.field(wire.import.as_bytes());
        match &wire.end {
            WireEnd::Trap => digester.field(b"trap"),
            WireEnd::Export(supplier, export) => {
                let supplier = identities.get(*supplier).copied().flatten()?;
                digester.field(b"component").field(export.as_bytes()).digest(&supplier)
            }
        };
    }
    Some(digester.finish())
}
