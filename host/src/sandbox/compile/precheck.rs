//! Checks on raw bytes before compilation, so that an error names what the file really is.
//! The compiler validates the component in full.

use crate::sandbox::compile::async_use;
use crate::sandbox::compile::bounds::{Exceeded, MAX_DEFINITIONS, MAX_FUNCTIONS, MAX_MODULES, MAX_NESTING};
use crate::sandbox::compile::bundle::Wit;
use crate::sandbox::compile::module::{Form, INTERFACE_SECTION, facts};
use crate::sandbox::component::{Toolchain, is_later_wasi};
use crate::sandbox::error::LoadError;
use crate::sandbox::kind::Features;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmparser::{BinaryReaderError, KnownCustom, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

/// First bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";

/// Maximum cost of a module's global, function and import to each of its instances, in bytes.
const GLOBAL: u64 = 16;
const FUNCTION: u64 = 32;
const IMPORT: u64 = 48;

/// Figures from the sections of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModuleCounts {
    /// Maximum cost of one instance of any of its modules to the host, without memories and tables, in bytes.
    pub(crate) instance: u64,
    /// The toolchain that the component names among its producers.
    pub(crate) toolchain: Option<Toolchain>,
    /// The features that it needs of an engine.
    pub(crate) features: Features,
}

/// Form of a file, and the functions that a module imports from neither preview 1 nor an interface, by their module.
pub(crate) struct Shape {
    pub(crate) form: Form,
    pub(crate) strangers: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

/// Fails unless `bytes` look like a complete component for WASI 0.2, or like a module that becomes one, judged by its
/// sections.
pub(crate) fn precheck(bytes: &[u8], wit: Option<&Wit>) -> Result<(ModuleCounts, Shape), LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::Precompiled);
    }
    if !bytes.starts_with(MAGIC) {
        let is_text =
            bytes.trim_ascii_start().starts_with(b"(") || bytes.trim_ascii_start().starts_with(b";;");
        return Err(if is_text { LoadError::Text } else { LoadError::Foreign });
    }
    if Parser::is_core_wasm(bytes) {
        return precheck_module(bytes, wit);
    }
    let counts = count_modules(bytes)?;
    match wit {
        None => Ok((counts, Shape { form: Form::Component, strangers: BTreeMap::new() })),
        Some(_) => Err(LoadError::WitOfComponent),
    }
}

/// Checks a module. Its component has two more modules, which only join its imports to the adapter, the adapter, and
/// stubs of imports: none of them costs an instance more than module and adapter together.
fn precheck_module(bytes: &[u8], wit: Option<&Wit>) -> Result<(ModuleCounts, Shape), LoadError> {
    let own = count_modules(bytes)?;
    let facts = facts(bytes).map_err(damaged)?;
    let form = facts.check(wit)?;
    let adapter =
        form.adapter().map_or(Ok(0), |adapter| count_modules(adapter).map(|counts| counts.instance))?;
    let mut features = own.features;
    features.concurrency |= wit.is_some_and(async_use::of_wit);
    let instance = own.instance + adapter + IMPORT;
    let shape = Shape { form, strangers: facts.into_strangers() };
    Ok((ModuleCounts { instance, toolchain: own.toolchain, features }, shape))
}

/// Walks the sections of a component and of everything nested in it, and counts.
fn count_modules(bytes: &[u8]) -> Result<ModuleCounts, LoadError> {
    let (mut instance, mut largest, mut toolchain) = (0, 0, None);
    let mut features = Features::default();
    let mut depth: usize = 0;
    let mut counts = Counts::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(damaged)?;
        counts.add(&payload, depth)?;
        instance += cost(&payload);
        features.concurrency =
            features.concurrency || async_use::of_section(&payload, bytes).map_err(damaged)?;
        match payload {
            // The interface of a module is a component in a custom section, and is decoded with the same effort.
            Payload::CustomSection(section) if section.name().starts_with(INTERFACE_SECTION) => {
                counts.add_interface(section.data(), depth)?;
                features.concurrency |= async_use::of_interface(section.data());
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                instance = 0;
            }
            Payload::End(_) => {
                depth = depth.saturating_sub(1);
                largest = largest.max(std::mem::take(&mut instance));
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let name = import.map_err(damaged)?.name.name;
                    if is_later_wasi(name) {
                        return Err(LoadError::LaterWasi(name.to_owned()));
                    }
                }
            }
            Payload::CustomSection(section) if depth == 0 => {
                toolchain = toolchain.or_else(|| toolchain_of(section.as_known()));
            }
            _ => {} // the compiler checks all else
        }
    }
    Ok(ModuleCounts { instance: largest, toolchain, features })
}

/// Returns the toolchain that a producers section names. A damaged one names nothing.
fn toolchain_of(section: KnownCustom<'_>) -> Option<Toolchain> {
    let KnownCustom::Producers(fields) = section else {
        return None;
    };
    let fields = fields.into_iter().filter_map(Result::ok);
    let mut names = fields.flat_map(|field| field.values).filter_map(Result::ok);
    names.find_map(|value| Toolchain::of_producer(value.name))
}

/// Returns what a section of a module costs each of its instances, in bytes. Modules do not nest.
fn cost(payload: &Payload<'_>) -> u64 {
    match payload {
        Payload::GlobalSection(section) => u64::from(section.count()) * GLOBAL,
        Payload::FunctionSection(section) => u64::from(section.count()) * FUNCTION,
        Payload::ImportSection(section) => u64::from(section.count()) * IMPORT,
        _ => 0, // memories and tables are counted as they grow; instances share the code
    }
}

/// Counts that a component declares. The compiler detects false ones.
#[derive(Default)]
struct Counts {
    parts: u64,
    functions: u64,
    definitions: u64,
}

impl Counts {
    /// Adds the counts of an interface. Damage is reported when it is decoded.
    fn add_interface(&mut self, bytes: &[u8], mut depth: usize) -> Result<(), Exceeded> {
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            self.add(&payload, depth)?;
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ => {} // no other section nests
            }
        }
        Ok(())
    }

    /// Adds the counts of a section. Fails if a total exceeds its bound.
    fn add(&mut self, payload: &Payload<'_>, depth: usize) -> Result<(), Exceeded> {
        let definitions = match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                if depth >= MAX_NESTING {
                    let max = u64::try_from(MAX_NESTING).unwrap_or(u64::MAX);
                    return Err(Exceeded::Count { items: "levels of nested components", max });
                }
                self.parts += 1;
                return check_max(self.parts, "modules and components", MAX_MODULES);
            }
            Payload::FunctionSection(section) => {
                self.functions += u64::from(section.count());
                return check_max(self.functions, "functions", MAX_FUNCTIONS);
            }
            Payload::TypeSection(section) => section.count(),
            Payload::ImportSection(section) => section.count(),
            Payload::TableSection(section) => section.count(),
            Payload::MemorySection(section) => section.count(),
            Payload::TagSection(section) => section.count(),
            Payload::GlobalSection(section) => section.count(),
            Payload::ExportSection(section) => section.count(),
            Payload::ElementSection(section) => section.count(),
            Payload::DataSection(section) => section.count(),
            Payload::InstanceSection(section) => section.count(),
            Payload::CoreTypeSection(section) => section.count(),
            Payload::ComponentInstanceSection(section) => section.count(),
            Payload::ComponentAliasSection(section) => section.count(),
            Payload::ComponentTypeSection(section) => section.count(),
            Payload::ComponentCanonicalSection(section) => section.count(),
            Payload::ComponentImportSection(section) => section.count(),
            Payload::ComponentExportSection(section) => section.count(),
            _ => 0, // other sections have nothing to count
        };
        self.definitions += u64::from(definitions);
        check_max(self.definitions, "definitions", MAX_DEFINITIONS)
    }
}

fn check_max(count: u64, items: &'static str, max: u64) -> Result<(), Exceeded> {
    if count > max { Err(Exceeded::Count { items, max }) } else { Ok(()) }
}

fn damaged(error: BinaryReaderError) -> LoadError {
    LoadError::Damaged(error.into())
}
