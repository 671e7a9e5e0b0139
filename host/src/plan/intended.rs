//! Advice for a literal that was meant as a reference: the bare name of a task or param, or a misspelt key.
//! `binding` reports the literal that does not fit.

use crate::manifest::{KINDS, RUN};
use crate::model::{Datum, Span, nearest};
use crate::plan::scope::Scope;

/// Returns how to write the reference that the literal seems to be meant as.
pub(crate) fn advice(scope: &Scope<'_>, span: &Span, written: &Datum) -> Option<String> {
    match written {
        Datum::Text(name) => named(scope, span, name),
        Datum::Table(entries) if matches!(&entries[..], [(key, Datum::Int(_) | Datum::Array(_))] if key == "range") => {
            Some("a range stands in `for-each` alone, as `for-each.x = { range = 10 }`; write `{ item = \"x\" }` here".to_owned())
        }
        Datum::Table(entries) if matches!(&entries[..], [(key, Datum::Text(_))] if key == RUN) => {
            Some("only tasks of `[finally]` can refer to the run; elsewhere this is a literal".to_owned())
        }
        Datum::Table(entries) => entries.iter().find_map(|(key, value)| {
            let (kind, Datum::Text(name)) = (nearest(key, KINDS)?, value) else {
                return None;
            };
            Some(format!("did you mean the reference `{{ {kind} = \"{}\" }}`?", name.escape_debug()))
        }),
        // No other literal looks like a reference.
        _ => None,
    }
}

fn named(scope: &Scope<'_>, span: &Span, name: &str) -> Option<String> {
    let manifest = scope.graph.manifests().get(scope.manifest_at(span))?;
    if manifest.tasks.contains_key(name) {
        return Some(format!("for the output of the task write `{{ task = \"{name}\" }}`"));
    }
    manifest.params.contains_key(name).then(|| format!("for the param write `{{ param = \"{name}\" }}`"))
}
