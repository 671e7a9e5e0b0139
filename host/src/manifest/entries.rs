//! Rules of what a command is given and gives back: the number of entries, and paths in its working directory.
//! The entries are read in `given` and `collected`.

use crate::manifest::reader::Reader;
use crate::manifest::table::Slot;
use crate::model::{Fault, FilePathFault, Span};

/// Maximum number of entries in each of `args`, `env`, `files` and `outputs`. Each is a parameter of the task's
/// function or a field of its result.
pub(crate) const MAX_ENTRIES: usize = 1_000;

/// Reports a list or a table with too many entries.
pub(crate) fn bounded(reader: &mut Reader<'_>, slot: &Slot<'_>, entries: usize) -> Option<()> {
    if entries > MAX_ENTRIES {
        let message = format!("`{}` has at most {MAX_ENTRIES} entries, not {entries}", slot.name);
        return reader.fault(Fault::spanned(slot.span.clone(), message));
    }
    Some(())
}

/// Returns the fault of a path in the working directory of a command.
pub(crate) fn path_fault(span: &Span, written: &str, fault: &FilePathFault) -> Fault {
    let shown = Fault::spanned(span.clone(), fault.to_string());
    match (fault, written.trim_start_matches('/')) {
        (FilePathFault::Absolute, rest) if !rest.is_empty() => {
            shown.help(format!("write `\"{}\"`", rest.escape_debug()))
        }
        _ => shown, // the message says what to change
    }
}
