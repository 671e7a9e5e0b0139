//! Reads a task that includes another manifest: `manifest`, with the keys that such a task may have.
//! `include` reads the other manifest.

use crate::manifest::command::{OWN, Parts};
use crate::manifest::given::named_arguments;
use crate::manifest::program::{Action, Included};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::table::{Slot, Table};
use crate::manifest::{Grants, Unread};
use crate::model::{Fault, Spanned};
use toml::de::DeValue;

/// The only value of `grants` of such a task.
pub(crate) const NONE: &str = "none";

/// Keys that say how one call runs: the tasks of the included manifest have them.
pub(crate) const OF_CALLS: [&str; 7] =
    ["repeat", "retry", "max-lost-hosts", "timeout", "limits", "resources", "cache"];

/// Returns whether the task in `table` includes a manifest.
pub(crate) fn is_pipeline(table: &Table<'_>) -> bool {
    table.slot("manifest").is_some()
}

/// Reads the keys of a task that includes a manifest.
pub(crate) fn pipeline(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Parts {
    let path = table.optional(reader, "manifest", path);
    if let Some(slot) = table.slot("manifest") {
        for other in ["call", "command"].iter().filter_map(|key| table.slot(key)) {
            let message = format!("a task has `manifest` or `{}`, not both", other.name);
            let fault = Fault::spanned(other.key, message).related(slot.key.clone(), "the other one");
            reader.fault::<()>(fault.help("keep `manifest` to include the tasks of another manifest"));
        }
        for own in OF_CALLS.iter().chain(&OWN).filter_map(|key| table.slot(key)) {
            reader.fault::<()>(not_of_pipelines(&own, &slot));
        }
    }
    let mut unread = Vec::new();
    let args = table.slot("args").map(|slot| named_arguments(reader, &slot));
    if args.as_ref().is_some_and(Option::is_none) {
        unread.push(Unread::Args);
    }
    Parts {
        action: path.map(|path| {
            let included = Included { path: reader.join(&path.value), written: path.value };
            Spanned::new(Action::Manifest(included), path.span)
        }),
        args: args.flatten().unwrap_or_default(),
        unread,
    }
}

/// Reads `grants = "none"`.
pub(crate) fn no_grants(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Grants {
    let mut grants = Grants { span: slot.span.clone(), ..Grants::default() };
    if !matches!(slot.value, DeValue::String(text) if text == NONE) {
        grants.is_partial = true;
        let fault = slot.fault("of a task with `manifest` can only be `\"none\"`");
        let help = "write grants into the included manifest, at its components or tasks; `grants = \"none\"` here \
                    takes all of them away";
        reader.fault::<()>(fault.help(help));
    }
    grants
}

fn not_of_pipelines(slot: &Slot<'_>, manifest: &Slot<'_>) -> Fault {
    let message = format!("`{}` cannot stand on a task with `manifest`", slot.name);
    let fault =
        Fault::spanned(slot.key.clone(), message).related(manifest.key.clone(), "includes other tasks");
    if OWN.contains(&slot.name) {
        return fault.help("it is a key of commands: write it in a task of the included manifest");
    }
    if slot.name == "repeat" {
        return fault.help("write it in the tasks of the included manifest");
    }
    fault.help("write it in the tasks of the included manifest, or in its `[defaults]`")
}

fn path(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    const FORM: &str = "write the path of a manifest, as `manifest = \"clean.toml\"`";
    if !matches!(slot.value, DeValue::String(_)) {
        return reader.fault(slot.mismatch("a string").help(FORM));
    }
    let text = filled(reader, slot)?;
    if text.value.contains("://") {
        let fault = Fault::spanned(text.span, "an included manifest is a file").secret();
        return reader.fault(fault.help(FORM));
    }
    Some(text)
}
