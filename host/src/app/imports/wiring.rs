//! Matches the keys of `[components.NAME.imports]` with what the component imports and what others export.
//! `faults` has the words for keys that fit nothing; `linked` builds the components.

use crate::app::imports::faults;
use crate::app::imports::importer::Importer;
use crate::graph::Manifests;
use crate::manifest::{ImportSource, Manifest};
use crate::model::{Faults, Name, Span, Spanned, are_compatible, split_version, version_numbers};
use crate::sandbox::{Component, Import, Offer};
use std::collections::HashMap;
use std::sync::Arc;

/// Imports of one component that the manifest satisfies.
#[derive(Default)]
pub(crate) struct Wiring<'a> {
    /// The imports, in the order of the manifest.
    pub(crate) wires: Vec<Wire<'a>>,
}

/// An import that the manifest satisfies.
pub(crate) struct Wire<'a> {
    /// Name of the import.
    pub(crate) import: Arc<str>,
    /// Span of its key in the manifest.
    pub(crate) span: &'a Span,
    /// Source of the import.
    pub(crate) end: WireEnd,
}

/// The components of a manifest, from which its components may import.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a> {
    manifest: &'a Manifest,
    /// Position of its first component among those of all manifests.
    first: usize,
    components: &'a [Option<Component>],
}

impl<'a> Beside<'a> {
    /// Returns the components of the manifest that has the component at a position.
    pub(crate) fn new(
        manifests: &'a Manifests,
        position: usize,
        components: &'a [Option<Component>],
    ) -> Option<Self> {
        let manifest = manifests.get(manifests.of_component(position)?)?;
        let first = manifests.first_beside(position)?;
        let components = components.get(first..first + manifest.components.len())?;
        Some(Self { manifest, first, components })
    }
}

/// Source of an import.
pub(crate) enum WireEnd {
    /// A trap.
    Trap,
    /// The export of another component, by its position among those of all manifests.
    Export(usize, Arc<str>),
}

/// Finds what satisfies the imports of a component. `None` if it has faults, here or in another stage.
pub(crate) fn wiring<'a>(
    importer: Importer<'a>,
    beside: Beside<'a>,
    faults: &mut Faults,
) -> Option<Wiring<'a>> {
    let Importer { written, component, .. } = importer;
    let mut wiring = Wiring::default();
    let mut is_sound = !written.imports.is_partial;
    let mut spans: HashMap<Arc<str>, &Span> = HashMap::new();
    let mut meant: Vec<&str> = Vec::new();
    for (key, source) in &written.imports.entries {
        let found = import_of(key, importer).and_then(|import| {
            if let Some(first) = spans.insert(Arc::clone(&import.name), &key.span) {
                return Err(faults::satisfied_twice(key, import, first));
            }
            Ok((import, wire_end(importer, (key, import), source, beside)?))
        });
        match found {
            Ok((import, Some(end))) => {
                wiring.wires.push(Wire { import: Arc::clone(&import.name), span: &key.span, end });
            }
            Ok((_, None)) => is_sound = false, // reported with the other component, or by `graph`
            Err(fault) => {
                is_sound = false;
                meant.extend(faults::meant(&key.value, component));
                // An ambiguous key means any of them.
                let is_it = |import: &&Import| split_version(&import.name).0 == split_version(&key.value).0;
                meant.extend(component.imports().iter().filter(is_it).map(|import| &*import.name));
                faults.push(*fault);
            }
        }
    }
    for import in
        component.imports().iter().filter(|import| matches!(import.offer, Offer::Unknown | Offer::Module))
    {
        if spans.contains_key(&import.name) {
            continue;
        }
        is_sound = false;
        // An import with a key that has a fault is not reported as missing too.
        if !written.imports.is_partial && !meant.contains(&&*import.name) {
            faults.push(faults::missing(importer, import, exporter(import, importer, beside)));
        }
    }
    is_sound.then_some(wiring)
}

/// Finds the import that a key names: exactly, without its version, or by a compatible version.
fn import_of<'a>(key: &Spanned<String>, importer: Importer<'a>) -> Result<&'a Import, faults::Boxed> {
    let imports = importer.component.imports();
    if let Some(exact) = imports.iter().find(|import| *import.name == *key.value) {
        return Ok(exact);
    }
    let fits = |import: &&Import| match split_version(&key.value) {
        (interface, None) => split_version(&import.name).0 == interface,
        (_, Some(_)) => are_compatible(&key.value, &import.name),
    };
    let fitting: Vec<&Import> = imports.iter().filter(fits).collect();
    match &*fitting {
        [only] => Ok(only),
        [] => Err(faults::unknown_key(key, importer)),
        several => Err(faults::ambiguous_key(key, importer, several)),
    }
}

/// Finds what satisfies an import. `None` if the other component could not be loaded, or is the importer itself.
fn wire_end(
    importer: Importer<'_>,
    (key, import): (&Spanned<String>, &Import),
    source: &ImportSource,
    beside: Beside<'_>,
) -> Result<Option<WireEnd>, faults::Boxed> {
    if import.offer == Offer::Types {
        return Err(faults::needs_nothing(key, import));
    }
    let name = match source {
        ImportSource::Trap => return Ok(Some(WireEnd::Trap)),
        ImportSource::Component(name) if name.value == importer.name.as_str() => return Ok(None),
        ImportSource::Component(_) if import.offer == Offer::Module => {
            return Err(faults::only_traps(key, import));
        }
        ImportSource::Component(name) => name,
    };
    let Some(position) = beside.manifest.components.get_index_of(name.value.as_str()) else {
        return Ok(None);
    };
    let Some(supplier) = beside.components.get(position).and_then(Option::as_ref) else { return Ok(None) };
    match export_for(&import.name, supplier) {
        Some(export) => Ok(Some(WireEnd::Export(beside.first + position, export))),
        None => Err(faults::no_export(importer, import, name, supplier)),
    }
}

/// Finds the export for an import: exactly, or else the newest of a compatible version.
fn export_for(import: &str, supplier: &Component) -> Option<Arc<str>> {
    let names = supplier.exported_names();
    let exact = names.iter().find(|name| ***name == *import);
    let compatible = names.iter().filter(|name| are_compatible(import, name));
    exact.or_else(|| compatible.max_by_key(|name| version_numbers(name))).cloned()
}

/// Finds another component of the manifest that exports what an import needs.
fn exporter<'a>(import: &Import, importer: Importer<'_>, beside: Beside<'a>) -> Option<&'a Name> {
    let mut others =
        beside.manifest.components.keys().zip(beside.components).filter(|(name, _)| *name != importer.name);
    let is_exporter = |component: &Component| export_for(&import.name, component).is_some();
    others.find(|(_, component)| component.as_ref().is_some_and(is_exporter)).map(|(name, _)| name)
}
