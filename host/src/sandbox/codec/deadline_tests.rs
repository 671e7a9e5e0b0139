//! Tests that the codec checks the deadline inside one value, however few elements the value has.
//! The black-box tests measure how late a stop is.

use crate::invoke::Outcome;
use crate::sandbox::codec::layout::Codec;
use crate::sandbox::codec::lift::{Place, Rejected, Source};
use crate::sandbox::codec::memory::{Encoding, Guest};
use crate::sandbox::codec::{lift, lower};
use crate::sandbox::guest::{Deadline, TimedOut};
use crate::value::{Signature, Type, wire};
use std::sync::Arc;
use tokio::time::Instant;

const MIB: usize = 1 << 20;

fn codec(ty: &Type) -> Codec {
    Codec::for_signature(&Signature { params: vec![(Arc::from("x"), ty.clone())], result: Some(ty.clone()) })
}

fn parse(ty: &str) -> Type {
    Type::parse(ty).unwrap()
}

/// Returns the type of a list of tuples with `count` members of type `ty`.
fn list_of_tuples(ty: &str, count: usize) -> Type {
    Type::List(Arc::new(Type::Tuple(vec![parse(ty); count].into())))
}

/// Lifts a result whose only list or string has `len` elements and `size` bytes, each equal to `fill`.
fn lift_filled(
    ty: &Type,
    encoding: Encoding,
    (len, size): (usize, usize),
    fill: u8,
    deadline: Deadline,
) -> Result<Outcome, Rejected> {
    let mut memory = vec![fill; 16 + size];
    memory[..8].copy_from_slice(&[16_u32.to_le_bytes(), u32::try_from(len).unwrap().to_le_bytes()].concat());
    let source = Source { memory: &memory, encoding, limit: 16 * MIB, deadline };
    lift::result(source, codec(ty).result.as_ref(), Place::Address(0))
}

/// Types with their encoding, the number of elements, their size in bytes, and the fill byte.
fn large() -> Vec<(Type, Encoding, (usize, usize), u8)> {
    let flags = (0..32).map(|nth| format!("f{nth}")).collect::<Vec<_>>().join(", ");
    vec![
        (list_of_tuples("u8", 20_000), Encoding::Utf8, (1, 20_000), 0),
        (list_of_tuples(&format!("flags {{ {flags} }}"), 1000), Encoding::Utf8, (1, 4000), 0),
        (parse("string"), Encoding::Utf8, (MIB, MIB), b'a'),
        (parse("string"), Encoding::Utf16, (MIB / 2, MIB), b'a'),
        (parse("string"), Encoding::Latin1, (MIB, MIB), 0xe9),
        (parse("list<u8>"), Encoding::Utf8, (MIB, MIB), 7),
        (parse("list<f64>"), Encoding::Utf8, (MIB / 8, MIB), 0),
        (parse("list<f32>"), Encoding::Utf8, (MIB / 4, MIB), 0),
        (parse("list<bool>"), Encoding::Utf8, (MIB, MIB), 0),
    ]
}

#[test]
fn deadline_is_checked_within_a_result_of_few_large_elements() {
    for (ty, encoding, elements, fill) in large() {
        let in_time = lift_filled(&ty, encoding, elements, fill, Deadline::far());
        assert!(matches!(in_time, Ok(Outcome::Value(_))), "{in_time:?}");
        let late = lift_filled(&ty, encoding, elements, fill, Deadline(Instant::now()));
        assert!(matches!(late, Err(Rejected::TimedOut(TimedOut))), "{encoding:?}, {elements:?}: {late:?}");
    }
}

#[test]
fn strings_are_read_in_pieces_that_split_no_character() {
    for pattern in ["é", "aé", "aaé", "漢", "a漢", "aa漢", "😀", "a😀", "aa😀", "aaa😀"] {
        let text: String =
            format!("{}{}", &pattern[..pattern.len() - pattern.chars().last().unwrap().len_utf8()], {
                pattern.chars().last().unwrap().to_string().repeat(100_000)
            });
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (encoding, len, bytes) in [
            (Encoding::Utf8, text.len(), text.as_bytes()),
            (Encoding::Utf16, units.len() / 2, &units),
            (Encoding::Latin1, (units.len() / 2) | 1 << 31, &units),
        ] {
            let mut memory = [16_u32.to_le_bytes(), u32::try_from(len).unwrap().to_le_bytes()].concat();
            memory.extend_from_slice(&[0; 8]);
            memory.extend_from_slice(bytes);
            let source = Source { memory: &memory, encoding, limit: 16 * MIB, deadline: Deadline::far() };
            let mut expected = Vec::new();
            wire::put_str(&mut expected, &text);
            let outcome =
                lift::result(source, codec(&parse("string")).result.as_ref(), Place::Address(0)).unwrap();
            assert!(outcome == Outcome::Value(expected.into()), "{encoding:?} {pattern}");
        }
    }
}

#[test]
fn deadline_is_checked_within_a_map() {
    let ty = parse("map<u32, u8>");
    // Descending keys: each entry has to move.
    let len = 100_000_u32;
    let mut memory = [16, len, 0, 0].map(u32::to_le_bytes).concat();
    (0..len).rev().for_each(|key| memory.extend([key, 1].map(u32::to_le_bytes).concat()));
    let lift = |deadline| {
        let source = Source { memory: &memory, encoding: Encoding::Utf8, limit: 16 * MIB, deadline };
        lift::result(source, codec(&ty).result.as_ref(), Place::Address(0))
    };
    let late = lift(Deadline(Instant::now()));
    assert!(matches!(late, Err(Rejected::TimedOut(TimedOut))), "{late:?}");
    let Ok(Outcome::Value(value)) = lift(Deadline::far()) else { panic!() };
    let lower_once = |checks_left: u32| {
        let (memory, encoding) = (Vec::new(), Encoding::Utf8);
        let mut guest = LateGuest { memory, encoding, checks_left: checks_left.into() };
        lower::params(&mut guest, &codec(&ty), &[bytes::Bytes::clone(&value)], &[]).map(drop)
    };
    lower_once(1000).unwrap();
    assert!(lower_once(5).unwrap_err().is::<TimedOut>());
}

/// A guest with enough memory whose deadline passes after `checks_left` checks.
struct LateGuest {
    memory: Vec<u8>,
    encoding: Encoding,
    checks_left: std::cell::Cell<u32>,
}

impl Guest for LateGuest {
    fn allocate(&mut self, _align: usize, size: usize) -> wasmtime::Result<usize> {
        self.memory.resize(size, 0);
        Ok(0)
    }

    fn memory(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn check(&self) -> wasmtime::Result<()> {
        let checks_left = self.checks_left.get().checked_sub(1).ok_or(TimedOut)?;
        self.checks_left.set(checks_left);
        Ok(())
    }
}

#[test]
fn deadline_is_checked_within_an_argument_of_few_large_elements() {
    for (ty, encoding, elements, fill) in large() {
        let Ok(Outcome::Value(value)) = lift_filled(&ty, encoding, elements, fill, Deadline::far()) else {
            panic!()
        };
        // Elements that are quickly done are repeated, so that the deadline falls inside the list.
        let (repeated, element) = (u32::from(elements.0 == 1) * 7, &value[1..]);
        let value = match elements.0 {
            1 => {
                let mut list = Vec::new();
                wire::put_array_len(&mut list, 8);
                (0..=repeated).for_each(|_| list.extend_from_slice(element));
                bytes::Bytes::from(list)
            }
            _ => value.clone(), // the single element is large
        };
        let lower_once = |checks_left: u32| {
            let mut guest = LateGuest { memory: Vec::new(), encoding, checks_left: checks_left.into() };
            lower::params(&mut guest, &codec(&ty), &[bytes::Bytes::clone(&value)], &[]).map(drop)
        };
        lower_once(1000).unwrap();
        let is_copied = matches!(&ty, Type::List(element) if **element == Type::U8)
            || encoding == Encoding::Utf8 && ty == Type::String;
        if !is_copied {
            assert!(lower_once(0).unwrap_err().is::<TimedOut>(), "{encoding:?}, {elements:?}");
        }
    }
}
