//! Makes a component of a core module, with the official adapter from WASI preview 1. Runs where components are compiled.
//! `module` has checked the names of the module before; the compiler validates the outcome.

use crate::model::nearest;
use crate::sandbox::compile::bundle::{Bundle, TextEncoding, Wit, WitFile};
use crate::sandbox::compile::exit::with_status;
use crate::sandbox::compile::module::{PREVIEW1, facts};
use crate::sandbox::compile::stubs::stubs;
use std::borrow::Cow;
use wasmparser::Parser;
use wasmtime::component::__internal::wasmtime_environ::wasmparser;
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, decode, embed_component_metadata};
use wit_parser::{PackageId, Resolve, SourceMap, UnresolvedPackageGroup, WorldId};

/// Returns the component to compile: the payload itself, or what the module in it becomes. The error is for the user.
pub(crate) fn component_of(payload: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if let Some(Bundle { module, wit, encoding }) = Bundle::parse(payload) {
        let (resolve, world) = resolve(wit)?;
        let mut module = module.to_vec();
        let encoding = match encoding {
            TextEncoding::Utf8 => StringEncoding::UTF8,
            TextEncoding::Utf16 => StringEncoding::UTF16,
        };
        embed_component_metadata(&mut module, &resolve, world, encoding)
            .map_err(|error| format!("{error:#}"))?;
        drop(resolve);
        return adapted(&module).map(Cow::Owned);
    }
    if Parser::is_core_wasm(payload) {
        return adapted(payload).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(payload))
}

/// Error of a module that cannot be adapted, and has no memory.
const NO_MEMORY: &str = "the module exports no `memory`, and the adapter from WASI preview 1 needs one: compilers export it by default";

/// Returns the component that a module with its interface becomes. The error is for the user.
pub(crate) fn adapted(module: &[u8]) -> Result<Vec<u8>, String> {
    let facts = facts(module).map_err(|error| error.to_string())?;
    let form = facts.form();
    let with_status = with_status(module)?;
    let encoder = ComponentEncoder::default().module(with_status.as_deref().unwrap_or(module));
    let encoder = match form.adapter() {
        Some(adapter) => encoder.and_then(|encoder| encoder.adapter(PREVIEW1, adapter)),
        None => encoder,
    };
    let encoder = stubs(module)?
        .iter()
        .fold(encoder, |encoder, (name, stubs)| encoder.and_then(|encoder| encoder.adapter(name, stubs)));
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| {
        let cause = format!("{error:#}");
        let needs_memory = !facts.has_memory && cause.contains("import memory");
        if needs_memory { NO_MEMORY.to_owned() } else { cause }
    })
}

/// Parses the files and chooses the world.
pub(crate) fn resolve(wit: Wit) -> Result<(Resolve, WorldId), String> {
    let mut resolve = Resolve::new();
    let mut packages = wit.packages.into_iter();
    let main = packages.next().unwrap_or_default();
    let mut deps = Vec::new();
    for files in packages {
        match parse(files, &mut resolve)? {
            Package::Text(group) => deps.push(*group),
            Package::Binary(_) => {} // it is in `resolve` already
        }
    }
    let main = match parse(main, &mut resolve)? {
        Package::Text(group) => {
            let added = resolve.push_groups(*group, deps);
            added.map_err(|error| resolve.render_error(&error.into()))?
        }
        Package::Binary(package) => package,
    };
    let world = choose_world(&resolve, main, wit.world.as_deref())?;
    Ok((resolve, world))
}

/// Returns the world of that name, or the only one.
fn choose_world(resolve: &Resolve, main: PackageId, name: Option<&str>) -> Result<WorldId, String> {
    let Some(package) = resolve.packages.get(main) else { return Err("the WIT has no package".to_owned()) };
    let known = || package.worlds.keys().map(String::as_str);
    let list = || known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match name {
        None if package.worlds.len() > 1 => {
            let first = known().next().unwrap_or_default();
            Err(format!(
                "the WIT has the worlds {}: choose one with `world = \"{first}\"` or `--world {first}`",
                list()
            ))
        }
        None => {
            package.worlds.values().next().copied().ok_or_else(|| format!("`{}` has no world", package.name))
        }
        // A name with its package may lead to another one.
        Some(path) if path.contains(['/', ':']) => {
            resolve.select_world(&[main], name).map_err(|error| resolve.render_error(&error))
        }
        Some(name) => package.worlds.get(name).copied().ok_or_else(|| match nearest(name, known()) {
            Some(nearest) => format!("the WIT has no world `{name}`; did you mean `{nearest}`?"),
            None => format!("the WIT has no world `{name}`; its worlds are {}", list()),
        }),
    }
}

/// A package of WIT.
enum Package {
    /// Parsed text, whose names are not resolved yet.
    Text(Box<UnresolvedPackageGroup>),
    /// A package in its binary form.
    Binary(PackageId),
}

fn parse(files: Vec<WitFile>, resolve: &mut Resolve) -> Result<Package, String> {
    let mut texts = SourceMap::new();
    for WitFile { path, content } in files {
        if Parser::is_component(&content) {
            return binary(&path, &content, resolve).map(Package::Binary);
        }
        let text = String::from_utf8(content).map_err(|_| format!("`{path}` is not UTF-8 text"))?;
        texts.push_str(&path, text);
    }
    texts.parse().map(Box::new).map(Package::Text).map_err(|(texts, error)| error.render(&texts))
}

fn binary(path: &str, content: &[u8], resolve: &mut Resolve) -> Result<PackageId, String> {
    match decode(content).map_err(|error| format!("`{path}`: {error:#}"))? {
        DecodedWasm::WitPackage(found, package) => {
            let remap = resolve.merge(found).map_err(|error| format!("`{path}`: {error:#}"))?;
            remap.packages.get(package.index()).copied().ok_or_else(|| format!("`{path}` has no package"))
        }
        DecodedWasm::Component(..) => Err(format!("`{path}` is a component, not WIT")),
    }
}
