//! Fuzzing entry points of the codec, without a guest: hostile arguments in, hostile memory out.
//! Real guests are in `oracle` and `hostile`; `host/fuzz` generates the inputs.

use crate::invoke::Outcome;
use crate::model::to_usize;
use crate::sandbox::codec::layout::{Codec, MAX_FLAT};
use crate::sandbox::codec::lift::Place;
use crate::sandbox::codec::memory::Encoding;
use crate::sandbox::codec::{lift, lower};
use crate::sandbox::guest::Deadline;
use crate::value::{Signature, Type, canonical};
use bytes::Bytes;
use std::sync::{Arc, LazyLock};
use wasmtime::{Result, ValRaw, bail};

/// Maximum size of a probe's memory and of its result, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Types that the first byte of an input selects from: every kind, alone and nested.
const TYPES: [&str; 24] = [
    "string",
    "list<u8>",
    "list<string>",
    "list<f64>",
    "list<f32>",
    "list<s16>",
    "list<list<u8>>",
    "list<record { x: f64, y: f64, name: string }>",
    "record { a: u8, b: option<string>, c: s64, d: option<option<bool>> }",
    "record { deep: record { a: list<record { b: option<u8>, c: string }>, z: u8 }, last: option<char> }",
    "tuple<u8, u64, s8, char, f32, bool>",
    "option<option<option<u16>>>",
    "variant { a, b(u64), c(list<string>), d(tuple<u8, string>) }",
    "list<variant { none, some(f32), more(option<s64>) }>",
    "enum { red, green, blue }",
    "flags { r, w, x, a, b, c, d, e, f }",
    "result<list<u32>, string>",
    "result<_, variant { io(string), other }>",
    "result",
    "list<tuple<flags { r, w }, enum { on, off }, result<u16, char>>>",
    "map<string, u8>",
    "map<s16, list<string>>",
    "map<bool, option<option<u8>>>",
    "record { a: map<u64, map<char, f64>>, b: u8 }",
];

/// A type with its codecs.
struct TypeUnderTest {
    ty: Type,
    /// A function that takes one value and returns it.
    single: Codec,
    /// A function that takes and returns a list of them, so that the values are in memory.
    in_list: Codec,
}

static TYPES_UNDER_TEST: LazyLock<Vec<TypeUnderTest>> = LazyLock::new(|| {
    let types = TYPES.iter().filter_map(|text| Type::parse(text).ok());
    let codec = |ty: Type| {
        Codec::for_signature(&Signature { params: vec![(Arc::from("x"), ty.clone())], result: Some(ty) })
    };
    types
        .map(|ty| TypeUnderTest {
            single: codec(ty.clone()),
            in_list: codec(Type::List(Arc::new(ty.clone()))),
            ty,
        })
        .collect()
});

/// Splits an input into the type and encoding that its first two bytes select, and the rest.
fn select_type(input: &[u8]) -> Option<(&'static TypeUnderTest, Encoding, &[u8])> {
    let ([ty, encoding], rest) = input.split_first_chunk()?;
    let under_test = TYPES_UNDER_TEST.get(usize::from(*ty) % TYPES_UNDER_TEST.len().max(1))?;
    let encoding = match encoding % 3 {
        0 => Encoding::Utf8,
        1 => Encoding::Utf16,
        _ => Encoding::Latin1, // the third one
    };
    Some((under_test, encoding, rest))
}

/// Checks that the input is accepted as an argument exactly if it is a value of its type, and reads back unchanged.
///
/// Returns a description of the violation, if any.
pub fn argument(input: &[u8]) -> std::result::Result<(), String> {
    let Some((under_test, encoding, arg)) = select_type(input) else { return Ok(()) };
    let expected = canonical(&under_test.ty, arg);
    let single =
        lower::params(&mut Arena::new(encoding), &under_test.single, &[Bytes::copy_from_slice(arg)], &[]);
    let mut arena = Arena::new(encoding);
    let list = [&[0x91], arg].concat();
    let lowered = lower::params(&mut arena, &under_test.in_list, &[list.into()], &[]);
    // A full memory says nothing about the argument.
    if arena.is_full {
        return Ok(());
    }
    match (&expected, &single, &lowered) {
        (Ok(_), Ok(_), Ok(_)) => {}
        (Err(_), Err(_), Err(_)) => return Ok(()),
        _ => {
            return Err(format!(
                "{}: {expected:?}, but {:?} and {:?}",
                under_test.ty,
                single.err(),
                lowered.err()
            ));
        }
    }
    // The lowered list is now read back from the same memory: from its core values, and by its address.
    let (Ok(expected), Ok([address, len, ..])) = (expected, lowered) else { return Ok(()) };
    let pair = arena.put([address.get_u32(), len.get_u32()]).map_err(|error| error.to_string())?;
    let source =
        lift::Source { memory: &arena.memory, encoding, limit: usize::MAX, deadline: Deadline::far() };
    for place in [Place::Flat(&[address, len]), Place::Address(to_usize(pair.get_u32()))] {
        match lift::result(source, under_test.in_list.result.as_ref(), place) {
            Ok(Outcome::Value(bytes)) if bytes.get(1..) == Some(&expected) => {}
            other => return Err(format!("{}: {expected:?} came back as {other:?}", under_test.ty)), // another value, or none
        }
    }
    Ok(())
}

/// Checks that a result lifted from hostile memory is a value of its type, in canonical form and within its limit.
///
/// Returns a description of the violation, if any.
pub fn memory(input: &[u8]) -> std::result::Result<(), String> {
    let Some((under_test, encoding, rest)) = select_type(input) else { return Ok(()) };
    let Some((first, memory)) = rest.split_first_chunk() else { return Ok(()) };
    let first = u64::from_le_bytes(*first);
    let Some(layout) = under_test.single.result.as_ref() else { return Ok(()) };
    // An async function returns up to sixteen core values: the first of the input, and those that its memory begins with.
    let mut slots = [ValRaw::u64(0); MAX_FLAT];
    let words = memory.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    slots
        .iter_mut()
        .zip(std::iter::once(first).chain(words))
        .for_each(|(slot, word)| *slot = ValRaw::u64(word));
    let flat = slots.get(..layout.flat).map(Place::Flat);
    let address = usize::try_from(first).ok().map(Place::Address);
    let source = lift::Source { memory, encoding, limit: MAX_BYTES, deadline: Deadline::far() };
    let mut places = flat.into_iter().chain(address);
    places.try_for_each(|place| check_lifted(under_test, source, place))
}

fn check_lifted(
    under_test: &TypeUnderTest,
    source: lift::Source<'_>,
    place: Place<'_>,
) -> std::result::Result<(), String> {
    let Ok(outcome) = lift::result(source, under_test.single.result.as_ref(), place) else { return Ok(()) };
    // Of a `result`, only the payload is encoded; its side is in the outcome.
    let (bytes, side) = match (&outcome, &under_test.ty) {
        (Outcome::Value(bytes), Type::Result(sides)) => (bytes, sides.ok.clone()),
        (Outcome::Error(bytes), Type::Result(sides)) => (bytes, sides.err.clone()),
        (Outcome::Value(bytes) | Outcome::Error(bytes), ty) => (bytes, Some(ty.clone())),
    };
    let form = match side {
        Some(ty) => canonical(&ty, bytes),
        None => Ok(Bytes::from_static(&[0xc0])),
    };
    match form {
        Ok(form) if form == *bytes && bytes.len() <= MAX_BYTES => Ok(()),
        other => Err(format!("{}: {bytes:?} is {other:?}", under_test.ty)), // not of its type, or not in its form
    }
}

/// A memory that only grows.
struct Arena {
    memory: Vec<u8>,
    encoding: Encoding,
    is_full: bool,
}

impl Arena {
    fn new(encoding: Encoding) -> Self {
        Self { memory: Vec::new(), encoding, is_full: false }
    }

    /// Writes two words into memory and returns their address.
    fn put(&mut self, words: [u32; 2]) -> Result<ValRaw> {
        let address = self.memory.len().next_multiple_of(4);
        self.memory.resize(address, 0);
        words.iter().for_each(|word| self.memory.extend_from_slice(&word.to_le_bytes()));
        Ok(ValRaw::u32(u32::try_from(address)?))
    }
}

impl crate::sandbox::codec::memory::Guest for Arena {
    fn allocate(&mut self, align: usize, size: usize) -> Result<usize> {
        let address = self.memory.len().next_multiple_of(align);
        match address.checked_add(size) {
            Some(end) if end <= MAX_BYTES => self.memory.resize(end, 0xff),
            _ => {
                self.is_full = true;
                bail!("the memory is full")
            }
        }
        Ok(address)
    }

    fn memory(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn replay_corpus(target: &str, check: fn(&[u8]) -> std::result::Result<(), String>) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() > 30, "{}", inputs.len());
        for path in inputs {
            let result = check(&std::fs::read(&path).unwrap());
            assert_eq!(result, Ok(()), "{}", path.display());
        }
    }

    #[test]
    fn argument_corpus_has_no_violation() {
        replay_corpus("argument", argument);
    }

    #[test]
    fn memory_corpus_has_no_violation() {
        replay_corpus("memory", memory);
    }

    #[test]
    fn every_type_of_the_table_parses() {
        assert_eq!(TYPES_UNDER_TEST.len(), TYPES.len());
    }

    /// Generates byte strings from pieces that are common in arguments and words that are common in memory.
    fn common_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            (0x80_u8..0xa4).prop_map(|byte| vec![byte]),
            prop::sample::select(vec![
                "a", "b", "c", "d", "x", "y", "name", "ok", "err", "deep", "last", "z"
            ])
            .prop_map(|name| [&[0xa0 + u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()),
            any::<f64>().prop_map(|float| [&[0xcb][..], &float.to_be_bytes()].concat()),
            (0_u32..64).prop_map(|word| word.to_le_bytes().to_vec()),
        ];
        (any::<[u8; 2]>(), prop::collection::vec(piece, 0..40))
            .prop_map(|(head, pieces)| [&head[..], &pieces.concat()].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_argument_is_a_value_or_an_error(input in common_bytes()) {
            prop_assert_eq!(argument(&input), Ok(()));
        }

        #[test]
        fn any_memory_is_a_value_or_an_error(input in common_bytes()) {
            prop_assert_eq!(memory(&input), Ok(()));
        }
    }
}
