//! The exported functions of a world, as far as they can be tasks.
//! The languages spell them in files of their own.

use wit_parser::{Function, FunctionKind, Resolve, WorldId, WorldItem, WorldKey};

/// Exported functions of one interface, or of the world itself.
pub(crate) struct Exports<'a> {
    /// The interface: its name, and the path to it; none for the world.
    pub(crate) interface: Option<Interface>,
    /// The functions.
    pub(crate) functions: Vec<&'a Function>,
}

/// Name of an exported interface.
pub(crate) struct Interface {
    /// Its own name.
    pub(crate) name: String,
    /// Namespace and name of its package. An interface inside of the world has none.
    pub(crate) package: Option<(String, String)>,
}

/// Returns the exported functions of a world, those of the world first. Fails if there are none, or if one is none that
/// can be written ahead.
pub(crate) fn exports(resolve: &Resolve, world: WorldId) -> Result<Vec<Exports<'_>>, String> {
    let Some(world) = resolve.worlds.get(world) else { return Ok(Vec::new()) };
    let mut root = Exports { interface: None, functions: Vec::new() };
    let mut all = Vec::new();
    for (key, item) in &world.exports {
        match item {
            WorldItem::Function(function) => root.functions.push(function),
            WorldItem::Interface { id, .. } => {
                let Some(interface) = resolve.interfaces.get(*id) else { continue };
                let package =
                    interface.package.and_then(|id| resolve.packages.get(id)).map(|package| &package.name);
                let package = package.map(|name| (name.namespace.clone(), name.name.clone()));
                let (name, package) = match key {
                    WorldKey::Name(name) => (name.clone(), None),
                    WorldKey::Interface(_) => (interface.name.clone().unwrap_or_default(), package),
                };
                let functions = interface.functions.values().collect();
                all.push(Exports { interface: Some(Interface { name, package }), functions });
            }
            WorldItem::Type { .. } => {} // types are no functions
        }
    }
    if !root.functions.is_empty() {
        all.insert(0, root);
    }
    match all
        .iter()
        .flat_map(|exports| &exports.functions)
        .find(|function| function.kind != FunctionKind::Freestanding)
    {
        Some(function) => Err(format!(
            "the function `{}` is async or belongs to a resource, which no skeleton has",
            function.name
        )),
        None if all.iter().all(|exports| exports.functions.is_empty()) => {
            Err(format!("the world `{}` exports no function", world.name))
        }
        None => Ok(all),
    }
}

/// Returns the name of the package of a world, with its version, and that of the world.
pub(crate) fn names(resolve: &Resolve, world: WorldId) -> (String, String) {
    let Some(world) = resolve.worlds.get(world) else { return Default::default() };
    let package = world.package.and_then(|package| resolve.packages.get(package));
    (package.map(|package| package.name.to_string()).unwrap_or_default(), world.name.clone())
}
