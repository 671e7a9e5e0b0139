//! Generator of test components (WAT) whose functions return their arguments, for values of any type.
//! `oracle` calls them and compares the results.

use crate::sandbox::codec::layout::MAX_FLAT;
use crate::value::Type;
use std::fmt::Write;
use std::sync::Arc;

/// Returns the text of a component for values of type `ty` whose strings use `encoding`.
///
/// Each function leaves memory as it found it, so that a guest can be called any number of times:
/// - `dump-flat` returns its flat parameters and the memory allocated for them, if `ty` can be passed flat;
/// - `dump-memory` does the same for a parameter in memory, forced there by sixteen more parameters;
/// - `echo` returns its first parameter from memory: a tuple of `ty` and a `u8`;
/// - `echo-flat` returns its parameter if that is one flat value, and `bits` returns any such value;
/// - `bytes` returns a value whose memory is its parameter, if the value is more than one flat value.
pub(crate) fn component(ty: &Type, encoding: &str) -> String {
    let (types, name) = declared(ty);
    let more: Vec<_> = (0..MAX_FLAT).map(|index| format!("(param \"p{index}\" u8)")).collect();
    let more = more.join(" ");
    let flat = flat(ty);
    let mut cores = String::from(
        "(func (export \"dump-memory\") (param i32) (result i32) (i32.store (i32.const 256) (local.get 0)) (call $give))
         (func (export \"echo\") (param i32) (result i32) (local.get 0))"
    );
    let mut lifted = lift("dump-memory", &format!("(param \"x\" {name}) {more} (result (list u8))"), "");
    lifted +=
        &lift("echo", &format!("(param \"x\" (tuple {name} u8)) {more} (result (tuple {name} u8))"), CLEAR);
    if flat.len() <= MAX_FLAT {
        let slot = |(index, core): (usize, &&str)| {
            format!("({core}.store (i32.const {}) (local.get {index}))", 256 + 8 * index)
        };
        let stores: String = flat.iter().enumerate().map(slot).collect();
        let params = flat.join(" ");
        write!(cores, "(func (export \"dump-flat\") (param {params}) (result i32) {stores} (call $give))")
            .unwrap();
        lifted += &lift("dump-flat", &format!("(param \"x\" {name}) (result (list u8))"), "");
    }
    if let [core] = *flat {
        let bits = match core {
            "f32" => "(f32.reinterpret_i32 (i32.wrap_i64 (local.get 0)))",
            "f64" => "(f64.reinterpret_i64 (local.get 0))",
            "i32" => "(i32.wrap_i64 (local.get 0))",
            _ => "(local.get 0)",
        };
        write!(
            cores,
            "(func (export \"echo-flat\") (param {core}) (result {core}) (local.get 0))
             (func (export \"bits\") (param i64) (result {core}) {bits})"
        )
        .unwrap();
        lifted += &lift("echo-flat", &format!("(param \"x\" {name}) (result {name})"), "");
        lifted += &lift("bits", &format!("(param \"x\" u64) (result {name})"), "");
    } else {
        cores += "(func (export \"bytes\") (param i32 i32) (result i32)
            (memory.copy (i32.const 0) (local.get 0) (local.get 1)) (i32.const 0))";
        lifted += &lift("bytes", &format!("(param \"x\" (list u8)) (result {name})"), CLEAR);
    }
    format!(
        "(component {types} (core module $m {MODULE} {cores}) (core instance $i (instantiate $m)) {lifted})"
    )
    .replace("ENCODING", encoding)
}

/// Returns the text of a component with async functions for values of type `ty`, which return by `task.return`:
/// - `echo` returns its parameter;
/// - `values` returns the core values in its parameter, eight bytes for each, or the address of its parameter.
pub(crate) fn async_component(ty: &Type, encoding: &str) -> String {
    let (types, name) = declared(ty);
    let flat = flat(ty);
    // More than sixteen core values are passed by address, as parameters and as a result.
    let cores = if flat.len() <= MAX_FLAT { flat } else { vec!["i32"] };
    let is_address = cores == ["i32"] && self::flat(ty).len() > MAX_FLAT;
    let params = cores.join(" ");
    let given: Vec<_> = (0..cores.len()).map(|index| format!("(local.get {index})")).collect();
    let given = given.concat();
    let load = |(index, core): (usize, &&str)| {
        if is_address {
            "(local.get 0)".to_owned()
        } else {
            format!("({core}.load offset={} (local.get 0))", 8 * index)
        }
    };
    let loads: String = cores.iter().enumerate().map(load).collect();
    let options = "string-encoding=ENCODING (memory $memory)";
    let lifted = |function: &str, param: &str| {
        format!(
            "(func (export \"{function}\") async (param \"x\" {param}) (result {name})
                (canon lift (core func $i \"{function}\") async (callback (core func $i \"callback\")) {options}
                    (realloc (core func $libc \"realloc\"))))"
        )
    };
    format!(
        "(component {types} (core module $libc {MODULE}) (core instance $libc (instantiate $libc))
            (alias core export $libc \"memory\" (core memory $memory))
            (core func $return (canon task.return (result {name}) {options}))
            (core module $m
                (import \"libc\" \"memory\" (memory 64))
                (import \"libc\" \"clear\" (func $clear (param i32)))
                (import \"\" \"return\" (func $return (param {params})))
                (func (export \"echo\") (param {params}) (result i32)
                    (call $return {given}) (call $clear (i32.const 0)) (i32.const 0))
                (func (export \"values\") (param i32 i32) (result i32)
                    (call $return {loads}) (call $clear (i32.const 0)) (i32.const 0))
                (func (export \"callback\") (param i32 i32 i32) (result i32) (i32.const 0)))
            (core instance $i (instantiate $m
                (with \"libc\" (instance $libc)) (with \"\" (instance (export \"return\" (func $return))))))
            {} {})",
        lifted("echo", &name),
        lifted("values", "(list u8)")
    )
    .replace("ENCODING", encoding)
}

/// Returns the text that lifts the core function `name` to a function of the component.
fn lift(name: &str, signature: &str, options: &str) -> String {
    format!(
        "(func (export \"{name}\") {signature} (canon lift (core func $i \"{name}\") string-encoding=ENCODING
            (memory (core memory $i \"memory\")) (realloc (core func $i \"realloc\")) {options}))"
    )
}

/// Restores memory once the result has been read.
const CLEAR: &str = "(post-return (core func $i \"clear\"))";

/// An allocator that never frees, starting at 1024, and two ways to reset it. Dumps are copied to 2 MiB.
const MODULE: &str = r#"
    (memory (export "memory") 64)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and
            (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get 2))))
        (global.set $top (i32.add (local.get $at) (local.get 3)))
        (memory.copy (local.get $at) (local.get 0) (local.get 1))
        (local.get $at))
    (func $clear (export "clear") (param i32)
        (memory.fill (i32.const 0) (i32.const 0) (global.get $top))
        (global.set $top (i32.const 1024)))
    (func $give (result i32)
        (local $len i32)
        (local.set $len (i32.sub (global.get $top) (i32.const 256)))
        (memory.copy (i32.const 0x200000) (i32.const 256) (local.get $len))
        (call $clear (i32.const 0))
        (i32.store (i32.const 0) (i32.const 0x200000))
        (i32.store (i32.const 4) (local.get $len))
        (i32.const 0))"#;

/// Returns the type declarations that `ty` needs, and its name.
fn declared(ty: &Type) -> (String, String) {
    let mut declarations = String::new();
    let mut count = 0;
    let name = declare(ty, &mut declarations, &mut count);
    (declarations, name)
}

fn declare(ty: &Type, declarations: &mut String, count: &mut usize) -> String {
    let mut inner = |ty: &Type| declare(ty, declarations, count);
    let quoted =
        |names: &[Arc<str>]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ");
    let body = match ty {
        Type::List(element) => return format!("(list {})", inner(element)),
        Type::Option(some) => return format!("(option {})", inner(some)),
        Type::Map(types) => return format!("(map {} {})", inner(&types.key), inner(&types.value)),
        Type::Tuple(types) => {
            let types: Vec<_> = types.iter().map(inner).collect();
            return format!("(tuple {})", types.join(" "));
        }
        Type::Result(sides) => {
            let ok = sides.ok.as_ref().map(&mut inner).unwrap_or_default();
            let err = sides.err.as_ref().map(|ty| format!("(error {})", inner(ty))).unwrap_or_default();
            return format!("(result {ok} {err})");
        }
        Type::Record(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| format!("(field \"{}\" {})", field.name, inner(&field.ty)))
                .collect();
            format!("(record {})", fields.join(" "))
        }
        Type::Variant(cases) => {
            let mut text = String::new();
            for case in cases.iter() {
                let payload = case.ty.as_ref().map(&mut inner).unwrap_or_default();
                write!(text, " (case \"{}\" {payload})", case.name).unwrap();
            }
            format!("(variant {text})")
        }
        Type::Enum(names) => format!("(enum {})", quoted(names)),
        Type::Flags(names) => format!("(flags {})", quoted(names)),
        plain => return plain.to_string(),
    };
    *count += 1;
    write!(declarations, "(type $d{count} {body}) (export $t{count} \"t{count}\" (type $d{count})) ")
        .unwrap();
    format!("$t{count}")
}

/// Returns the flat core types of a type, by the rules of the canonical ABI.
pub(crate) fn flat(ty: &Type) -> Vec<&'static str> {
    match ty {
        Type::S64 | Type::U64 => vec!["i64"],
        Type::F32 => vec!["f32"],
        Type::F64 => vec!["f64"],
        Type::String | Type::List(_) | Type::Map(_) => vec!["i32", "i32"],
        Type::Tuple(types) => types.iter().flat_map(flat).collect(),
        Type::Record(fields) => fields.iter().flat_map(|field| flat(&field.ty)).collect(),
        Type::Flags(names) => vec!["i32"; names.len().div_ceil(32)],
        Type::Option(some) => joined([None, Some(&**some)]),
        Type::Result(sides) => joined([sides.ok.as_ref(), sides.err.as_ref()]),
        Type::Variant(cases) => joined(cases.iter().map(|case| case.ty.as_ref())),
        _ => vec!["i32"], // bool, small integers, chars, enums
    }
}

fn joined<'a>(cases: impl IntoIterator<Item = Option<&'a Type>>) -> Vec<&'static str> {
    let mut all: Vec<&str> = Vec::new();
    for case in cases.into_iter().flatten() {
        for (index, core) in flat(case).into_iter().enumerate() {
            match all.get_mut(index) {
                None => all.push(core),
                Some(slot) if *slot == core => {}
                Some(slot) if matches!((*slot, core), ("i32", "f32") | ("f32", "i32")) => *slot = "i32",
                Some(slot) => *slot = "i64",
            }
        }
    }
    all.insert(0, "i32");
    all
}
