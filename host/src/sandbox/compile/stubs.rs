//! Functions that a core module imports from neither WASI preview 1 nor an interface: stubs, whose call is a trap.
//! `module` finds the imports; a component with stubs is not called unless its manifest lets them trap.

use crate::sandbox::compile::module::is_stranger;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use wasmparser::{BinaryReaderError, CompositeInnerType, FuncType, Parser, Payload, TypeRef, ValType};
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

/// Last part of the name of each stub, by which a trap is recognised.
const MARK: &str = " (a stub that traps)";

/// Name of the module itself among those that it is joined with.
const MAIN_MODULE: &str = "__main_module__";

/// Returns the import that a trapping function stands for, as `module.name`, if it is a stub.
pub(crate) fn stubbed(function: &str) -> Option<&str> {
    function.strip_suffix(MARK)
}

/// Builds a module of stubs for each module that a module imports such functions from, by its name.
pub(crate) fn stubs(module: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let texts = texts(module)?;
    if texts.contains_key(MAIN_MODULE) {
        return Err(format!(
            "the module imports from `{MAIN_MODULE}`, a name that tools which make components keep"
        ));
    }
    let binary = |(name, text): (&str, String)| {
        let binary = wat::parse_str(text).map_err(|error| error.to_string())?;
        Ok((name.to_owned(), binary))
    };
    texts.into_iter().map(binary).collect()
}

fn texts(module: &[u8]) -> Result<BTreeMap<&str, String>, String> {
    let mut types: Vec<Option<FuncType>> = Vec::new();
    let (mut texts, mut seen) = (BTreeMap::<&str, String>::new(), BTreeSet::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| damaged(&error))? {
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group.map_err(|error| damaged(&error))?.into_types().map(|ty| {
                        match ty.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None, // no function has another type
                        }
                    }));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(|error| damaged(&error))?;
                    let TypeRef::Func(ty) = import.ty else { continue };
                    // A module may import a function twice, but exports it once.
                    if is_stranger(import.module) && seen.insert((import.module, import.name)) {
                        let ty = usize::try_from(ty).ok().and_then(|ty| types.get(ty)?.as_ref());
                        let text = texts.entry(import.module).or_insert_with(|| "(module".to_owned());
                        put_stub(text, (import.module, import.name), ty)?;
                    }
                }
                break;
            }
            _ => {} // the imports come early
        }
    }
    texts.values_mut().for_each(|text| text.push(')'));
    Ok(texts)
}

fn damaged(error: &BinaryReaderError) -> String {
    error.to_string()
}

/// Writes a function that does nothing but trap. The validator of the compiler reports a type that is not there. Fails if
/// the function takes or returns anything but numbers, which tools that make components do not expect.
fn put_stub(out: &mut String, (module, name): (&str, &str), ty: Option<&FuncType>) -> Result<(), String> {
    out.push_str("(func $\"");
    [module, ".", name, MARK].into_iter().for_each(|part| put_escaped(out, part));
    out.push_str("\" (export \"");
    put_escaped(out, name);
    out.push_str("\")");
    let (params, results) = ty.map_or((&[][..], &[][..]), |ty| (ty.params(), ty.results()));
    for (keyword, types) in [("param", params), ("result", results)] {
        for ty in types {
            if !matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64) {
                return Err(format!(
                    "the module imports `{name}` from `{module}`, which takes or returns a `{ty}`"
                ));
            }
            let _infallible = write!(out, "({keyword} {ty})");
        }
    }
    out.push_str(" unreachable)");
    Ok(())
}

/// Writes text for the inside of a string of WebAssembly text, whatever is in it.
fn put_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "\\{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_other_values_than_numbers_are_refused_by_name() {
        for ty in ["externref", "v128"] {
            let text = format!(r#"(module (import "env" "call" (func (param {ty}))))"#);
            let error = stubs(&wat::parse_str(text).unwrap()).unwrap_err();
            assert_eq!(
                error,
                format!("the module imports `call` from `env`, which takes or returns a `{ty}`")
            );
        }
    }

    #[test]
    fn there_is_a_stub_for_each_function_from_elsewhere() {
        let module = wat::parse_str(
            r#"(module
                (type (struct))
                (import "env" "a\"b" (func (param i32 f64) (result i64)))
                (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
                (import "env" "a\"b" (func (param i32 f64) (result i64)))
                (import "acme:tools/hammer" "hit" (func))
                (import "env" "memory" (memory 1))
                (import "host" "call" (func (param f32) (result i32))))"#,
        );
        let stubs = stubs(&module.unwrap()).unwrap();
        let names: Vec<&str> = stubs.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["env", "host"]);
        for (name, stub) in &stubs {
            wasmparser::Validator::new().validate_all(stub).unwrap();
            let text = exported(stub);
            let expected = if name == "env" { "a\"b" } else { "call" };
            assert_eq!(text, [expected]);
        }
        assert_eq!(stubbed("env.call (a stub that traps)"), Some("env.call"));
        assert_eq!(stubbed("call"), None);
    }

    /// Returns the names of the exports.
    fn exported(module: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            if let Payload::ExportSection(section) = payload.unwrap() {
                names.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
            }
        }
        names
    }
}
