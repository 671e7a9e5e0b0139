//! What some bytes are before anything is compiled, so that the error names what was given.
//! Whether a component is valid through and through is for the compiler.

use crate::sandbox::compile::bounds::{Exceeded, MOST_DEFINITIONS, MOST_DEPTH, MOST_FUNCTIONS, MOST_PARTS};
use crate::sandbox::component::is_later_wasi;
use crate::sandbox::error::LoadError;
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

/// How every WebAssembly binary begins.
const MAGIC: &[u8] = b"\0asm";

/// What a global, a function and an import of a module may cost each of its instances, in bytes.
const GLOBAL: u64 = 16;
const FUNCTION: u64 = 32;
const IMPORT: u64 = 48;

/// What the outline of a component shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModuleCounts {
    /// What an instance of the largest module may cost the host beside memories and tables, in bytes.
    pub(crate) instance: u64,
}

/// Fails unless `bytes` are a whole component for WASI 0.2, as far as its outline shows.
pub(crate) fn precheck(bytes: &[u8]) -> Result<ModuleCounts, LoadError> {
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
    count_modules(bytes)
}

/// Walks over the sections of the component and of all that is inside it, and counts.
fn count_modules(bytes: &[u8]) -> Result<ModuleCounts, LoadError> {
    let (mut instance, mut largest) = (0, 0);
    let mut depth: usize = 0;
    let mut counts = Counts::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(damaged)?;
        counts.add(&payload, depth)?;
        instance += cost(&payload);
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::CoreModule);
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
            _ => {} // all else is for the compiler
        }
    }
    Ok(ModuleCounts { instance: largest })
}

/// What a section of a module adds to each of its instances. Modules have no other modules inside of them.
fn cost(payload: &Payload<'_>) -> u64 {
    match payload {
        Payload::GlobalSection(section) => u64::from(section.count()) * GLOBAL,
        Payload::FunctionSection(section) => u64::from(section.count()) * FUNCTION,
        Payload::ImportSection(section) => u64::from(section.count()) * IMPORT,
        _ => 0, // memories and tables are counted where they grow; all else is the code's, which instances share
    }
}

/// What a component says that it has. It may lie: the compiler finds that out.
#[derive(Default)]
struct Counts {
    parts: u64,
    functions: u64,
    definitions: u64,
}

impl Counts {
    /// Counts what a section has, and refuses what is more than anybody has a use for.
    fn add(&mut self, payload: &Payload<'_>, depth: usize) -> Result<(), Exceeded> {
        let definitions = match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                if depth >= MOST_DEPTH {
                    let most = u64::try_from(MOST_DEPTH).unwrap_or(u64::MAX);
                    return Err(Exceeded::Count { what: "components inside of each other", most });
                }
                self.parts += 1;
                return within(self.parts, "modules and components", MOST_PARTS);
            }
            Payload::FunctionSection(section) => {
                self.functions += u64::from(section.count());
                return within(self.functions, "functions", MOST_FUNCTIONS);
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
            _ => 0, // what is left has nothing to count
        };
        self.definitions += u64::from(definitions);
        within(self.definitions, "definitions", MOST_DEFINITIONS)
    }
}

fn within(count: u64, what: &'static str, most: u64) -> Result<(), Exceeded> {
    if count > most { Err(Exceeded::Count { what, most }) } else { Ok(()) }
}

fn damaged(error: BinaryReaderError) -> LoadError {
    LoadError::Damaged(error.into())
}
