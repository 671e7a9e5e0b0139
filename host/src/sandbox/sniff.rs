//! What some bytes are before anything is compiled, so that the error names what was given.
//! Whether a component is valid through and through is for the compiler.

use crate::sandbox::component::LoadError;
use crate::sandbox::offer::is_later_wasi;
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

/// The error of a component that is not valid, wherever it would run.
pub(crate) use wasmparser::BinaryReaderError as Invalid;

/// How every WebAssembly binary begins.
const MAGIC: &[u8] = b"\0asm";

/// Fails unless `bytes` are a whole component for WASI 0.2, as far as its outline shows.
pub(crate) fn check(bytes: &[u8]) -> Result<(), LoadError> {
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
    outline(bytes)
}

/// Walks over the sections of the component and of all that is inside it.
fn outline(bytes: &[u8]) -> Result<(), LoadError> {
    let mut depth: usize = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
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
    Ok(())
}

fn damaged(error: BinaryReaderError) -> LoadError {
    LoadError::Damaged(error.into())
}

/// Why a component that looked whole does not compile.
pub(crate) fn compile_error(error: wasmtime::Error) -> LoadError {
    let text = format!("{error:#}");
    // The validator has one kind of error: only its text tells a feature that is off from a mistake.
    let is_async = ["async", "stream", "future", "error-context"].iter().any(|word| text.contains(word));
    if is_async && text.contains("feature") {
        LoadError::Async(error.into())
    } else {
        LoadError::Compile(error.into())
    }
}
