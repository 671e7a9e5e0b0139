//! Imports that trap: functions that end the call with a message, and resources that nobody can create.
//! The manifest chooses the imports; `load` links them.

use crate::sandbox::component::reflect::Resources;
use crate::sandbox::error::LoadError;
use crate::sandbox::guest::State;
use std::sync::Arc;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

/// Type of the resources of an import that traps. They have no values.
enum Uncreated {}

/// Defines the imports of a component that are in `names`, in the place of what the linker has for them.
pub(crate) fn define(
    linker: &mut Linker<State>,
    component: &Component,
    names: &[Arc<str>],
) -> Result<(), LoadError> {
    let engine = component.engine();
    linker.allow_shadowing(true);
    let mut traps = Traps { engine: engine.clone(), resources: Resources::default() };
    for (name, item) in component.component_type().imports(engine) {
        if !names.iter().any(|known| **known == *name) {
            // Its resources may occur in imports that trap.
            traps.resources.has_only_types(engine, &item.ty);
            continue;
        }
        let defined = match &item.ty {
            ComponentItem::ComponentInstance(instance) => {
                let added = linker.instance(name);
                added.and_then(|mut added| traps.instance(&mut added, name, instance))
            }
            ComponentItem::ComponentFunc(_) => function(&mut linker.root(), name, name.to_owned()),
            ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::Type(_)
            | ComponentItem::Resource(_) => return Err(LoadError::NoTrap(name.to_owned())),
        };
        defined.map_err(|_| LoadError::NoTrap(name.to_owned()))?;
    }
    Ok(())
}

struct Traps {
    engine: wasmtime::Engine,
    resources: Resources,
}

impl Traps {
    fn instance(
        &mut self,
        linker: &mut LinkerInstance<'_, State>,
        path: &str,
        instance: &ComponentInstance,
    ) -> wasmtime::Result<()> {
        let engine = self.engine.clone();
        for (name, item) in instance.exports(&engine) {
            match &item.ty {
                ComponentItem::ComponentFunc(_) => function(linker, name, format!("{path}.{name}"))?,
                ComponentItem::ComponentInstance(nested) => {
                    self.instance(&mut linker.instance(name)?, &format!("{path}/{name}"), nested)?;
                }
                // A resource of an earlier import is defined there.
                ComponentItem::Resource(resource) => {
                    if self.resources.is_new(resource) {
                        linker.resource(name, ResourceType::host::<Uncreated>(), |_, _| Ok(()))?;
                    }
                }
                ComponentItem::Type(_) => {}
                ComponentItem::CoreFunc(_) | ComponentItem::Module(_) | ComponentItem::Component(_) => {
                    return Err(wasmtime::format_err!("`{name}` is no function"));
                }
            }
        }
        Ok(())
    }
}

fn function(linker: &mut LinkerInstance<'_, State>, name: &str, path: String) -> wasmtime::Result<()> {
    const HELP: &str = "`{ component = \"NAME\" }` in its place names a component that exports it";
    linker.func_new(name, move |_, _, _, _| Err(wasmtime::format_err!("{}; {HELP}", trapped_call(&path))))
}

/// Returns the message of a call of an import that traps.
pub(crate) fn trapped_call(path: &str) -> String {
    format!("the guest called `{path}`, an import that is set to `\"trap\"`")
}
