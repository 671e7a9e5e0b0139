//! Reads `[finally]`: tasks that run at the end of a run, which share their names with the others.
//! Their keys are read in `task`.

use crate::manifest::reader::Reader;
use crate::manifest::section::named;
use crate::manifest::table::Slot;
use crate::manifest::task::task;
use crate::manifest::{Policy, Task};
use crate::model::{Fault, Name};
use indexmap::IndexMap;
use std::sync::Arc;

/// Reads the section, and adds its tasks to the others.
pub(crate) fn finally(
    reader: &mut Reader<'_>,
    slot: &Slot<'_>,
    (defaults, tasks): (&Arc<Policy>, &mut IndexMap<Name, Task>),
) {
    reader.is_finally = true;
    let (found, left_out) = named(reader, slot, |reader, slot| task(reader, slot, defaults));
    reader.is_finally = false;
    reader.left_out.tasks.extend(left_out);
    if reader.left_out.sections.contains(slot.name) {
        reader.left_out.sections.insert("tasks".to_owned());
    }
    for (name, task) in found {
        if let Some(other) = tasks.get(&name) {
            let message = format!("`finally.{name}` has the name of a task");
            let fault = Fault::spanned(task.span, message).related(other.span.clone(), "the task");
            reader.fault::<()>(fault.help("rename one of the two: they share their names"));
        } else {
            tasks.insert(name, task);
        }
    }
}
