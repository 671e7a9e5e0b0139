//! The components that satisfy imports of other components, by name.
//! `cycle` finds cycles among them; `app` compares the imports with what the components have.

use crate::graph::names::Names;
use crate::manifest::ImportSource;
use crate::model::{Fault, Spanned};

/// Finds the components that each component imports from, in the manifest's order.
pub(crate) fn suppliers(names: &mut Names<'_>) -> Vec<Vec<Spanned<usize>>> {
    let mut suppliers = Vec::new();
    for (importer, (_, component)) in names.manifest.components.iter().enumerate() {
        let sources = component.imports.entries.iter().filter_map(|(_, source)| match source {
            ImportSource::Component(name) => Some(name),
            ImportSource::Trap => None,
        });
        suppliers.push(sources.filter_map(|name| supplier(names, importer, name)).collect());
    }
    suppliers
}

fn supplier(names: &mut Names<'_>, importer: usize, name: &Spanned<String>) -> Option<Spanned<usize>> {
    let supplier = names.component_named(&name.value, &name.span)?;
    if supplier == importer {
        let message = format!("component `{}` cannot import from itself", name.value);
        names.fault(Fault::spanned(name.span.clone(), message));
        return None;
    }
    Some(Spanned::new(supplier, name.span.clone()))
}
