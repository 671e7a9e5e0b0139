//! Fuzzing entry point of the built-in tasks: any bytes as the arguments of any of them.
//! `oracle` checks what follows; `host/fuzz` generates the inputs.

use crate::builtin::oracle::{Variables, check, function, text};
use crate::builtin::table::Builtin;
use crate::model::Path;
use crate::value::Type;
use bytes::Bytes;

/// Types of elements that a byte of an input selects from, each with paths into it.
const TYPES: [(&str, &[&str]); 12] = [
    ("u8", &[""]),
    ("string", &[""]),
    ("f64", &[""]),
    ("option<option<u8>>", &["", "some"]),
    ("list<u8>", &["", "[1]"]),
    ("list<string>", &["", "[0]"]),
    (
        "record { name: string, size: u32, ok: bool, more: option<string> }",
        &["", "name", "size", "ok", "more"],
    ),
    ("tuple<bool, f32, enum { red, green, blue }>", &["", "[0]", "[1]", "[2]"]),
    ("variant { a, b(s64), c(list<string>) }", &[""]),
    ("flags { r, w, x }", &[""]),
    ("result<u16, string>", &["", "ok"]),
    ("map<string, record { x: s8 }>", &[""]),
];

/// Checks a call of the task, types and path that the first bytes of an input select; the rest are its arguments.
///
/// Returns a description of the violation, if any.
pub fn call(input: &[u8]) -> Result<(), String> {
    let Some(([builtin, first, second, path, split], rest)) = input.split_first_chunk() else {
        return Ok(());
    };
    let nth = |byte: &u8, len: usize| usize::from(*byte) % len.max(1);
    let Some(builtin) = Builtin::ALL.get(nth(builtin, Builtin::ALL.len())) else { return Ok(()) };
    let selected = |byte: &u8| TYPES.get(nth(byte, TYPES.len()));
    let (Some((first, paths)), Some((second, _))) = (selected(first), selected(second)) else {
        return Ok(());
    };
    let (Ok(first), Ok(second)) = (Type::parse(first), Type::parse(second)) else {
        return Err("a type of the table is none".to_owned());
    };
    let written = paths.get(nth(path, paths.len())).copied().unwrap_or_default();
    let path = if written.is_empty() { Path::root() } else { Path::parse(written).unwrap_or_default() };
    let variables = Variables { first: &first, second: &second, path: &path };
    let Some(function) = function(*builtin, &variables) else { return Ok(()) };
    let (left, right) = rest.split_at(usize::from(*split).min(rest.len()));
    let mut hostile = [left, right].into_iter();
    let args = function.signature.params.iter().map(|(name, ty)| match (&**name, ty) {
        ("path", _) => text(written),
        ("descending", _) => Bytes::from_static(if split % 2 == 0 { &[0xc2] } else { &[0xc3] }),
        // Texts are any UTF-8, as a guest may give them.
        (_, Type::String) => text(&String::from_utf8_lossy(hostile.next().unwrap_or_default())),
        _ => Bytes::copy_from_slice(hostile.next().unwrap_or_default()),
    });
    check(&function, &args.collect::<Vec<Bytes>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn corpus_has_no_violation() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/builtin");
        let inputs = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let mut replayed = 0;
        for input in inputs {
            assert_eq!(call(&std::fs::read(&input).unwrap()), Ok(()), "{}", input.display());
            replayed += 1;
        }
        assert!(replayed >= Builtin::ALL.len(), "only {replayed} inputs");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn any_bytes_are_an_error_or_a_result(
            head in proptest::array::uniform5(any::<u8>()),
            rest in proptest::collection::vec(
                prop_oneof![0x80..0x94_u8, 0xa0..0xa4_u8, Just(0xc0), Just(0xc2), Just(0xc3), Just(0xc4), any::<u8>()],
                0..24,
            ),
        ) {
            let input = [&head[..], &rest].concat();
            prop_assert_eq!(call(&input), Ok(()));
        }
    }
}
