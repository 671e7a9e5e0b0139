//! Reads `[components.NAME]`: its source, its interface if it is a core module, its imports, and the grants of its guests.
//! `source_keys` reads the source; `app` opens files and runs build commands.

use crate::manifest::builtin::reject_component;
use crate::manifest::grants::grants;
use crate::manifest::imports::imports;
use crate::manifest::keys::COMPONENT;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::source_keys::{component_source, without_build};
use crate::manifest::table::{Slot, Table};
use crate::manifest::{Component, WitSource};
use crate::model::{Digest, Fault, Spanned};

/// Reads the component in `slot`; `None` if it is not a table.
pub(crate) fn component(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Component> {
    let owner = format!("component `{}`", slot.name);
    let example = format!("`[components.{}]` and below it `path = \"…\"`", slot.name);
    reject_component(reader, slot);
    let mut table = Table::open(reader, slot, COMPONENT, (&owner, &example))?;
    let source = component_source(reader, &mut table, &owner);
    let sha256 = table.optional(reader, "sha256", digest);
    let wit = table.optional(reader, "wit", filled);
    let world = table.optional(reader, "world", filled);
    if let Some(slot) = table.slot("world").filter(|_| table.slot("wit").is_none()) {
        let fault = Fault::spanned(slot.span.clone(), format!("{owner} has a `world`, but no `wit`"));
        reader.missing(
            fault.help("write beside it the folder that has the world, for example `wit = \"wit\"`"),
        );
    }
    let build = table.optional(reader, "build", filled).map(|command| command.value);
    let source = without_build(reader, (source, table.slot("build").as_ref()), &owner);
    let folder = table.optional(reader, "build-dir", filled);
    let mut imports = table.slot("imports").map(|slot| imports(reader, &slot)).unwrap_or_default();
    let mut grants = table.slot("grants").map(|slot| grants(reader, &slot)).unwrap_or_default();
    for unknown in table.close(reader) {
        grants.is_partial |= unknown.meant == Some("grants");
        imports.is_partial |= unknown.meant == Some("imports");
    }
    Some(Component {
        source,
        sha256,
        wit: wit.map(|wit| WitSource {
            path: Spanned::new(reader.join(&wit.value), wit.span),
            world: world.map(|world| world.value),
        }),
        build,
        build_dir: reader.join(folder.as_ref().map_or(".", |folder| &folder.value)),
        imports,
        grants,
    })
}

fn digest(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Digest>> {
    let text = filled(reader, slot)?;
    match Digest::parse(&text.value) {
        Ok(digest) => Some(Spanned::new(digest, text.span)),
        Err(fault) => {
            let bare = text.value.strip_prefix("sha256:").filter(|digits| Digest::parse(digits).is_ok());
            let help = match bare {
                Some(_) => "remove `sha256:`".to_owned(),
                None => "print the digest with `sha256sum FILE`".to_owned(),
            };
            reader.fault(Fault::spanned(text.span, fault.to_string()).help(help))
        }
    }
}
