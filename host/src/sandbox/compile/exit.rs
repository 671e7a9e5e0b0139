//! Exit statuses of WASI preview 1: the import `proc_exit` of a module becomes `exit-with-code` of `wasi:cli/exit`.
//! The official adapter would pass on only whether the status is 0; it has all other functions.

use crate::sandbox::compile::module::PREVIEW1;
use std::ops::Range;
use wasmparser::{BinaryReader, BinaryReaderError, Imports, Parser, Payload};
use wasmtime::component::__internal::wasmtime_environ::wasmparser;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The function of preview 1. Both have one parameter, an `i32` in the core module; WASI takes its lowest byte, as POSIX
/// does.
const PROC_EXIT: &str = "proc_exit";
const EXIT_WITH_CODE: &str = "exit-with-code";

/// The interface, in the version of the adapter.
const EXIT: &str = "wasi:cli/exit@0.2.12";

/// World of a module that uses only this function. It is merged with what the module imports beside it.
const WORLD: &str = "package cascade:exit; world status { import wasi:cli/exit@0.2.12; }
    package wasi:cli@0.2.12 { interface exit { exit-with-code: func(status-code: u8); } }";

/// Id of the import section.
const IMPORT_SECTION: u8 = 2;

/// Returns the module with the full exit status, or `None` if it does not call `proc_exit`.
pub(crate) fn with_status(module: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some(mut renamed) = renamed(module).map_err(|error| error.to_string())? else { return Ok(None) };
    let mut resolve = Resolve::new();
    let package = resolve.push_source("exit.wit", WORLD).map_err(|error| resolve.render_error(&error))?;
    let world = resolve.select_world(&[package], None).map_err(|error| resolve.render_error(&error))?;
    embed_component_metadata(&mut renamed, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))?;
    Ok(Some(renamed))
}

/// Writes the other name in the place of the function's. Everything else stays as it is, byte for byte.
fn renamed(module: &[u8]) -> Result<Option<Vec<u8>>, BinaryReaderError> {
    let mut end_of_last = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ImportSection(section) = &payload {
            let (range, mut names) = (section.range(), Vec::new());
            for imports in section.clone() {
                // The compact forms are newer than preview 1.
                if let Imports::Single(start, import) = imports?
                    && (import.module, import.name) == (PREVIEW1, PROC_EXIT)
                {
                    names.push(names_at(module, start)?);
                }
            }
            return Ok((!names.is_empty()).then(|| replaced(module, (end_of_last, &range), &names)));
        }
        if let Payload::Version { range, .. } = &payload {
            end_of_last = range.end;
        }
        if let Some((_, range)) = payload.as_section() {
            end_of_last = range.end;
        }
    }
    Ok(None)
}

/// Returns where the two names of the import are that starts there.
fn names_at(module: &[u8], start: usize) -> Result<Range<usize>, BinaryReaderError> {
    let mut reader = BinaryReader::new(module.get(start..).unwrap_or_default(), start);
    reader.read_string()?;
    reader.read_string()?;
    Ok(start..reader.original_position())
}

/// Replaces names in a section whose header begins at `header`.
fn replaced(module: &[u8], (header, section): (usize, &Range<usize>), names: &[Range<usize>]) -> Vec<u8> {
    let part = |range: Range<usize>| module.get(range).unwrap_or_default();
    let (mut content, mut at) = (Vec::with_capacity(section.len()), section.start);
    for range in names {
        content.extend_from_slice(part(at..range.start));
        [EXIT, EXIT_WITH_CODE].into_iter().for_each(|name| put_bytes(&mut content, name.as_bytes()));
        at = range.end;
    }
    content.extend_from_slice(part(at..section.end));
    let mut module_out = part(0..header).to_vec();
    module_out.push(IMPORT_SECTION);
    put_bytes(&mut module_out, &content);
    module_out.extend_from_slice(part(section.end..module.len()));
    module_out
}

/// Appends bytes behind their length.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut len = bytes.len();
    while len > 0x7f {
        out.push(u8::try_from(len & 0x7f).unwrap_or_default() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap_or_default());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the imports as `module.name`.
    fn imports(module: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            if let Payload::ImportSection(section) = payload.unwrap() {
                let imports = section.into_imports().map(Result::unwrap);
                names.extend(imports.map(|import| format!("{}.{}", import.module, import.name)));
            }
        }
        names
    }

    #[test]
    fn only_proc_exit_gets_another_name() {
        let import = |nth| format!(r#"(import "wasi_snapshot_preview1" "f{nth}" (func (param i32)))"#);
        let many: Vec<String> = (0..40).map(import).collect();
        let many = many.concat();
        let text = format!(
            r#"(module (@custom "first" (before first) "x") {many}
                (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                (import "env" "proc_exit" (func))
                (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                (func (export "_start") (call 40 (i32.const 7))))"#
        );
        let module = wat::parse_str(text).unwrap();
        let renamed = renamed(&module).unwrap().unwrap();
        wasmparser::Validator::new().validate_all(&renamed).unwrap();
        let mut expected = imports(&module);
        for name in &mut expected {
            if name == "wasi_snapshot_preview1.proc_exit" {
                *name = "wasi:cli/exit@0.2.12.exit-with-code".to_owned();
            }
        }
        assert_eq!(imports(&renamed), expected);
        assert_eq!(expected.iter().filter(|name| name.starts_with("wasi:")).count(), 2);
    }

    #[test]
    fn module_that_does_not_exit_stays_as_it_is() {
        for text in ["(module)", r#"(module (import "env" "proc_exit" (func)))"#] {
            assert!(with_status(&wat::parse_str(text).unwrap()).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn version_is_that_of_the_adapter() {
        for form in [crate::sandbox::Form::Command, crate::sandbox::Form::Reactor] {
            let adapter = form.adapter().unwrap();
            assert!(adapter.windows(EXIT.len()).any(|bytes| bytes == EXIT.as_bytes()), "{form:?}");
        }
        assert!(WORLD.contains(EXIT));
    }
}
