//! Moves the spans of a parsed text to its place among the texts of a manifest.
//! `parse` does so before anything is read from the tree, so that no other file knows of several texts.

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

/// Adds `by` to every span of a table.
pub(crate) fn shifted(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    table.into_iter().map(|(key, value)| (moved(key, by), shifted_value(value, by))).collect()
}

fn shifted_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shifted(table, by)),
        DeValue::Array(array) => {
            DeValue::Array(array.into_iter().map(|element| shifted_value(element, by)).collect())
        }
        other => other, // has no parts
    };
    moved(Spanned::new(span, inner), by)
}

fn moved<T>(value: Spanned<T>, by: usize) -> Spanned<T> {
    let span = value.span();
    Spanned::new(span.start + by..span.end + by, value.into_inner())
}
