//! Reads `[outputs]`: values, and the files that `--output-dir` writes them to.
//! `app` knows what they are called without `file`, which depends on their types.

use crate::manifest::Expr;
use crate::manifest::entries::path_fault;
use crate::manifest::reader::Reader;
use crate::manifest::reference::{value, value_beside};
use crate::manifest::scalar::filled;
use crate::manifest::section::named;
use crate::manifest::table::Slot;
use crate::manifest::value::KINDS;
use crate::model::{Fault, FilePath, FilePathFault, Name, Spanned};
use indexmap::IndexMap;
use std::cell::RefCell;
use std::collections::HashMap;
use toml::de::DeValue;

/// The key beside a reference in `[outputs]`. Alone it is a reference itself.
pub(crate) const FILE: &str = "file";

/// What `[outputs]` has: values, and files of some of them, by name.
pub(crate) struct OutputsSection {
    pub(crate) values: IndexMap<Name, Spanned<Expr>>,
    pub(crate) files: HashMap<String, Spanned<FilePath>>,
}

/// Reads `[outputs]`.
pub(crate) fn outputs(reader: &mut Reader<'_>, slot: &Slot<'_>) -> OutputsSection {
    let files = RefCell::new(Vec::new());
    let read = |reader: &mut Reader<'_>, slot: &Slot<'_>| {
        let (value, file) = output(reader, slot);
        if let Some(file) = file {
            files.borrow_mut().push((slot.name.to_owned(), file));
        }
        Some(value)
    };
    let (values, _) = named(reader, slot, read);
    let files = files.into_inner();
    reject_conflicts(reader, &files);
    OutputsSection { values, files: files.into_iter().collect() }
}

fn output(reader: &mut Reader<'_>, slot: &Slot<'_>) -> (Spanned<Expr>, Option<Spanned<FilePath>>) {
    let DeValue::Table(table) = slot.value else { return (value(reader, slot), None) };
    let is_reference = |entry: Slot<'_>| entry.name != FILE && KINDS.contains(&entry.name);
    if !Slot::entries(table).any(is_reference) {
        return (value(reader, slot), None);
    }
    let file = Slot::entries(table).find(|entry| entry.name == FILE).and_then(|entry| path(reader, &entry));
    (value_beside(reader, slot, &[FILE]), file)
}

fn path(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<FilePath>> {
    let Spanned { value, span } = filled(reader, slot)?;
    match FilePath::parse(&value) {
        Ok(path) => Some(Spanned::new(path, span)),
        Err(FilePathFault::Absolute | FilePathFault::Parent) => {
            let fault = Fault::spanned(span, "the file of an output cannot lie outside of `--output-dir`");
            reader.fault(fault.help("write its path in that folder, as `file = \"report.html\"`"))
        }
        Err(fault) => reader.fault(path_fault(&span, &value, &fault)),
    }
}

/// Reports outputs with the same file.
fn reject_conflicts(reader: &mut Reader<'_>, files: &[(String, Spanned<FilePath>)]) {
    let mut first: HashMap<&FilePath, &Spanned<FilePath>> = HashMap::new();
    for (_, file) in files {
        if let Some(earlier) = first.insert(&file.value, file) {
            let message = format!("two outputs have the file `{}`", file.value.as_str());
            let fault = Fault::spanned(file.span.clone(), message);
            reader
                .fault::<()>(fault.related(earlier.span.clone(), "first here").help("rename one of the two"));
        }
    }
}
