//! Modules without the debug information of their compiler, which no part of the host reads. Names of functions stay, for
//! backtraces.

use wasmparser::{BinaryReaderError, Parser, Payload};
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

/// Beginning of the names of custom sections with DWARF.
const DWARF: &str = ".debug_";

/// Returns a module without the sections that have debug information.
pub(crate) fn without_debug_info(module: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut kept = Vec::with_capacity(module.len());
    let mut end_of_last = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let end = match &payload {
            Payload::Version { range, .. } => range.end,
            section => match section.as_section() {
                Some((_, range)) => range.end,
                None => continue, // a part of a section
            },
        };
        if !matches!(&payload, Payload::CustomSection(section) if section.name().starts_with(DWARF)) {
            kept.extend_from_slice(module.get(end_of_last..end).unwrap_or_default());
        }
        end_of_last = end;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debug_information_is_left_out() {
        let text = |debug: &str| {
            format!(
                r#"(module (@custom "component-type:x" "y") (import "a" "b" (func)) (memory 1)
                    (func $named (export "f") (call 0)) (data (i32.const 0) "z") {debug})"#
            )
        };
        let plain = wat::parse_str(text("")).unwrap();
        let with =
            wat::parse_str(text(r#"(@custom ".debug_info" "12345") (@custom ".debug_str" "6")"#)).unwrap();
        assert!(with.len() > plain.len());
        assert_eq!(without_debug_info(&with).unwrap(), plain);
        assert_eq!(without_debug_info(&plain).unwrap(), plain);
        assert!(without_debug_info(&plain[..plain.len() - 1]).is_err());
    }
}
