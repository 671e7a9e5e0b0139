//! Builds the components that tasks call: with imports that trap, or composed with those that they import from.
//! `wiring` has matched imports with exports.

use crate::app::imports::faults;
use crate::app::imports::identity::identities;
use crate::app::imports::importer::Importer;
use crate::app::imports::wiring::{Beside, Wire, WireEnd, Wiring, wiring};
use crate::app::parallel_map::parallel_map;
use crate::graph::Graph;
use crate::model::{Digest, Fault, Faults, Name, Span, are_compatible};
use crate::sandbox::{Component, GuestKind, Link, LoadError, LoadRequest, Sandbox};
use std::collections::HashMap;
use std::sync::Arc;

/// A component that tasks can call.
#[derive(Clone)]
pub(crate) struct Linked {
    /// The component, with all that its sandbox runs.
    pub(crate) component: Component,
    /// Imports in that sandbox that the manifest satisfies.
    pub(crate) supplies: Vec<Supply>,
}

/// An import that the manifest satisfies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Supply {
    /// The component that has the import.
    pub(crate) importer: Name,
    /// The import.
    pub(crate) import: Arc<str>,
    /// The component that satisfies it; `None` if it traps.
    pub(crate) supplier: Option<Name>,
}

/// Links every component with what the manifest satisfies its imports with. Components with faults are left out.
///
/// A component that only others import from is not linked by itself: it is part of theirs.
pub(crate) fn link(
    graph: &Graph,
    (components, guests): (&[Option<Component>], &[GuestKind]),
    sandbox: &Sandbox,
    faults: &mut Faults,
) -> Vec<Option<Linked>> {
    let manifests = graph.manifests();
    let importers: Vec<Option<Importer<'_>>> = manifests
        .components()
        .zip(components)
        .map(|((name, written), component)| Some(Importer { name, written, component: component.as_ref()? }))
        .collect();
    let wirings: Vec<Option<Wiring<'_>>> = importers
        .iter()
        .enumerate()
        .map(|(at, importer)| wiring((*importer)?, Beside::new(manifests, at, components)?, faults))
        .collect();
    let order = order(&wirings);
    let mut is_whole = vec![true; components.len()];
    let imported = wirings.iter().flatten().flat_map(suppliers).map(|from| (from, false));
    let called = graph.nodes().iter().filter_map(|node| node.component).map(|at| (at, true));
    for (at, is_called) in imported.chain(called) {
        if let Some(is_whole) = is_whole.get_mut(at) {
            *is_whole = is_called;
        }
    }
    let linking = Linking {
        importers,
        identities: identities(&order, &wirings, components),
        wirings,
        is_whole,
        guests,
        sandbox,
    };
    let positions: Vec<usize> = (0..components.len()).collect();
    let linked = parallel_map(sandbox.max_parallel_loads(), &positions, |at| linking.linked(*at));
    linked.into_iter().map(|linked| linked?.map_err(|found| faults.list.extend(found)).ok()).collect()
}

/// Orders the sound components, each after those that it imports from. Cycles are left out: `graph` reports them.
fn order(wirings: &[Option<Wiring<'_>>]) -> Vec<usize> {
    let mut missing: Vec<usize> = Vec::new();
    let mut importers: Vec<Vec<usize>> = vec![Vec::new(); wirings.len()];
    for (at, wiring) in wirings.iter().enumerate() {
        missing.push(wiring.iter().flat_map(suppliers).count());
        for from in wiring.iter().flat_map(suppliers) {
            if let Some(importers) = importers.get_mut(from) {
                importers.push(at);
            }
        }
    }
    let is_ready =
        |(at, wiring): &(usize, &Option<Wiring<'_>>)| wiring.is_some() && missing.get(*at) == Some(&0);
    let mut order: Vec<usize> = wirings.iter().enumerate().filter(is_ready).map(|(at, _)| at).collect();
    let mut next = 0;
    while let Some(from) = order.get(next).copied() {
        next += 1;
        for at in importers.get(from).into_iter().flatten() {
            if let Some(missing) = missing.get_mut(*at) {
                *missing -= 1;
                if *missing == 0 {
                    order.push(*at);
                }
            }
        }
    }
    order
}

fn suppliers(wiring: &Wiring<'_>) -> impl Iterator<Item = usize> {
    wiring.wires.iter().filter_map(|wire| match &wire.end {
        WireEnd::Trap => None,
        WireEnd::Export(supplier, _) => Some(*supplier),
    })
}

struct Linking<'a> {
    importers: Vec<Option<Importer<'a>>>,
    wirings: Vec<Option<Wiring<'a>>>,
    identities: Vec<Option<Digest>>,
    /// Whether a component is called, or imported by no other.
    is_whole: Vec<bool>,
    /// A kind of guest for each component.
    guests: &'a [GuestKind],
    sandbox: &'a Sandbox,
}

impl<'a> Linking<'a> {
    /// Returns the component at a position, linked. `None` if it, or one that it imports from, has faults already.
    fn linked(&self, at: usize) -> Option<Result<Linked, Vec<Fault>>> {
        let identity = self.identities.get(at).copied().flatten()?;
        let importer = self.importer(at)?;
        if !self.is_whole.get(at).copied().unwrap_or_default() {
            let component = importer.component.with_traps(&[], identity);
            return Some(Ok(Linked { component, supplies: Vec::new() }));
        }
        let parts = self.parts(at);
        let divided = self.divided(&parts);
        if !divided.is_empty() {
            return Some(Err(divided));
        }
        let traps: Vec<Arc<str>> = self.traps(&parts).map(|(_, import, _)| Arc::clone(import)).collect();
        let (component, supplies) = match &*parts {
            [_] => (importer.component.clone(), self.supplies(&parts)),
            _ => match self.composed(at, &parts) {
                Ok(composed) => (composed, self.supplies(&parts)),
                Err(error) => {
                    let part = |at: usize| {
                        let part = self.importer(*parts.get(at)?)?;
                        Some((part.name, part.written))
                    };
                    let fault = faults::not_composed(importer, &error, part);
                    return Some(Err(vec![faults::with_traps(fault, &traps)]));
                }
            },
        };
        let component = if supplies.is_empty() { component } else { component.with_traps(&traps, identity) };
        Some(match component.check_imports() {
            Ok(()) => Ok(Linked { component, supplies }),
            Err(error) => {
                let fault = faults::not_composed(importer, &error, |_| None);
                Err(vec![faults::with_traps(fault, &traps)])
            }
        })
    }

    fn importer(&self, at: usize) -> Option<Importer<'a>> {
        self.importers.get(at).copied().flatten()
    }

    fn wiring(&self, at: usize) -> Option<&Wiring<'a>> {
        self.wirings.get(at)?.as_ref()
    }

    /// Returns a component and all that it imports from, each once and after those that it imports from.
    fn parts(&self, root: usize) -> Vec<usize> {
        if self.wiring(root).is_none_or(|wiring| suppliers(wiring).next().is_none()) {
            return vec![root];
        }
        // An explicit stack, because a chain of components may be long. A component is placed when it is left.
        let (mut parts, mut is_entered) = (Vec::new(), vec![false; self.wirings.len()]);
        let mut stack = vec![(root, false)];
        while let Some((at, is_left)) = stack.pop() {
            if is_left {
                parts.push(at);
            } else if let Some(entered) = is_entered.get_mut(at).filter(|entered| !**entered) {
                *entered = true;
                stack.push((at, true));
                stack.extend(self.wiring(at).into_iter().flat_map(suppliers).map(|from| (from, false)));
            }
        }
        parts
    }

    fn composed(&self, root: usize, parts: &[usize]) -> Result<Component, LoadError> {
        let position: HashMap<usize, usize> =
            parts.iter().enumerate().map(|(at, part)| (*part, at)).collect();
        let links = |wiring: &Wiring<'_>| -> Vec<Link> {
            let link = |wire: &Wire<'_>| match &wire.end {
                WireEnd::Trap => None,
                WireEnd::Export(supplier, export) => Some(Link {
                    import: wire.import.to_string(),
                    from: position.get(supplier).copied()?,
                    export: export.to_string(),
                }),
            };
            wiring.wires.iter().filter_map(link).collect()
        };
        let part = |at: &usize| Some((self.importer(*at)?.component, self.wiring(*at).map(links)?));
        let parts: Vec<(&Component, Vec<Link>)> = parts.iter().filter_map(part).collect();
        let name = self.importer(root).map_or("component", |importer| importer.name.as_str());
        let guest = self.guests.get(root).copied().unwrap_or(GuestKind::PLAIN);
        self.sandbox.compose(&parts, &LoadRequest { name, wit: None, guest })
    }

    /// Returns the imports that trap in any part, each with its component and the span of its key.
    fn traps<'s>(
        &'s self,
        parts: &'s [usize],
    ) -> impl Iterator<Item = (Importer<'a>, &'s Arc<str>, &'a Span)> {
        parts.iter().filter_map(|at| Some((self.importer(*at)?, self.wiring(*at)?))).flat_map(
            |(importer, wiring)| {
                let trapping = wiring.wires.iter().filter(|wire| matches!(wire.end, WireEnd::Trap));
                trapping.map(move |wire| (importer, &wire.import, wire.span))
            },
        )
    }

    /// Finds imports that trap in one part, and that another part has from the host.
    fn divided(&self, parts: &[usize]) -> Vec<Fault> {
        let mut found = Vec::new();
        for (trapping, import, span) in self.traps(parts) {
            for (other, wiring) in
                parts.iter().filter_map(|at| Some((self.importer(*at)?, self.wiring(*at)?)))
            {
                let is_satisfied = |name: &Arc<str>| wiring.wires.iter().any(|wire| wire.import == *name);
                let mut imports = other.component.imports().iter();
                let is_it = |name: &str| are_compatible(name, import);
                if imports.any(|other| {
                    is_it(&other.name) && faults::is_of_host(other) && !is_satisfied(&other.name)
                }) {
                    found.push(faults::divided(span, import, trapping.name, other.name));
                }
            }
        }
        found
    }

    fn supplies(&self, parts: &[usize]) -> Vec<Supply> {
        let mut found = Vec::new();
        for (importer, wiring) in
            parts.iter().rev().filter_map(|at| Some((self.importer(*at)?, self.wiring(*at)?)))
        {
            for wire in &wiring.wires {
                let supplier = match &wire.end {
                    WireEnd::Trap => None,
                    WireEnd::Export(supplier, _) => self.importer(*supplier).map(|part| part.name.clone()),
                };
                let import = Arc::clone(&wire.import);
                found.push(Supply { importer: importer.name.clone(), import, supplier });
            }
        }
        found
    }
}
