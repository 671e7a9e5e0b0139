//! Tests of the path to a malformed value in a result.
//! `hostile` tests the messages without a path.

use crate::sandbox::codec::layout::Layout;
use crate::sandbox::codec::lift;
use crate::sandbox::codec::lift::Place;
use crate::sandbox::codec::memory::Encoding;
use crate::sandbox::guest::Deadline;
use crate::value::Type;
use wasmtime::ValRaw;

/// Lifts a result of a type from memory that has these bytes at these addresses; the result is at address 0.
fn message(ty: &str, bytes: &[(usize, u8)]) -> String {
    let mut memory = vec![0; 256];
    bytes.iter().for_each(|(address, byte)| memory[*address] = *byte);
    lifted(ty, &memory, Place::Address(0))
}

fn lifted(ty: &str, memory: &[u8], place: Place<'_>) -> String {
    let layout = Layout::for_type(&Type::parse(ty).unwrap());
    let source =
        lift::Source { memory, encoding: Encoding::Utf8, limit: usize::MAX, deadline: Deadline::far() };
    lift::result(source, Some(&layout), place).unwrap_err().to_string()
}

#[test]
fn message_has_the_path_to_a_malformed_value() {
    for (ty, bytes, expected) in [
        // A list of two at address 16, in the payload of the result.
        (
            "result<list<record { id: u32, note: string }>, string>",
            &[(4, 16), (8, 2), (32, 255), (36, 9)][..],
            ".ok[1].note: an address outside of its memory",
        ),
        (
            "result<list<u32>, tuple<u8, option<string>>>",
            &[(0, 1), (8, 1), (15, 255), (16, 1)],
            ".err[1].some: an address outside of its memory",
        ),
        ("list<option<u8>>", &[(0, 16), (4, 3), (20, 2)], "[2]: an option that is neither none nor some"),
        (
            "tuple<u32, variant { a, b(tuple<u8, enum { x, y }>) }>",
            &[(4, 1), (6, 2)],
            "[1].b[1]: an unknown enum case",
        ),
        ("option<list<u64>>", &[(0, 1), (4, 17), (8, 1)], ".some: a misaligned address"),
        ("tuple<u8, result<_, bool>>", &[(1, 2)], "[1]: a result that is neither ok nor err"),
    ] {
        assert_eq!(message(ty, bytes), format!("the guest returned a malformed value: {expected}"), "{ty}");
    }
}

#[test]
fn value_in_core_values_has_its_path() {
    let record = "record { only: tuple<enum { a, b }> }";
    let expected = "the guest returned a malformed value: .only[0]: an unknown enum case";
    assert_eq!(lifted(record, &[], Place::Flat(&[ValRaw::u32(7)])), expected);
    // Of two cases the payloads share core values: the number of the case, an `i64`, and an `i32`.
    let flat = |values: [u64; 3]| values.map(ValRaw::u64);
    let variant = "variant { a(s64), b(tuple<f32, enum { x, y }>) }";
    for (values, expected) in
        [([2, 0, 0], ": an unknown variant case"), ([1, 0x3f80_0000, 2], ": .b[1]: an unknown enum case")]
    {
        let expected = format!("the guest returned a malformed value{expected}");
        assert_eq!(lifted(variant, &[], Place::Flat(&flat(values))), expected);
    }
}
