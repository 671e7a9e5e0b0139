//! Responsible for returning every type as it came.
//! Leaves all computing to others.

use crate::Basic;
use crate::exports::test::basic::echo::{Colour, Guest, Outcome, Person, Point, Rights, Shape};

/// Functions that return their only parameter.
macro_rules! echo {
    ($($name:ident: $type:ty,)*) => {
        $(fn $name(value: $type) -> $type {
            value
        })*
    };
}

impl Guest for Basic {
    echo! {
        echo_bool: bool,
        echo_u8: u8,
        echo_u16: u16,
        echo_u32: u32,
        echo_u64: u64,
        echo_s8: i8,
        echo_s16: i16,
        echo_s32: i32,
        echo_s64: i64,
        echo_f32: f32,
        echo_f64: f64,
        echo_char: char,
        echo_string: String,
        echo_bytes: Vec<u8>,
        echo_strings: Vec<String>,
        echo_numbers: Vec<f64>,
        echo_options: Vec<Option<u32>>,
        echo_tuple: (u8, String, bool),
        echo_point: Point,
        echo_person: Person,
        echo_people: Vec<Person>,
        echo_shape: Shape,
        echo_shapes: Vec<Shape>,
        echo_colour: Colour,
        echo_rights: Rights,
        echo_option: Option<u32>,
        echo_option_option: Option<Option<u32>>,
        echo_outcome: Outcome,
        echo_nested: Vec<(String, Option<Vec<Shape>>)>,
    }

    #[expect(clippy::many_single_char_names, reason = "there are many, and none has a meaning")]
    fn echo_many(
        a: u8,
        b: u16,
        c: u32,
        d: u64,
        e: i8,
        f: i16,
        g: i32,
        h: i64,
        i: f32,
        j: f64,
        k: bool,
        l: char,
        m: String,
        n: Vec<u8>,
        o: Option<u32>,
        p: Colour,
        q: Rights,
    ) -> Vec<String> {
        let integers = format!("{a} {b} {c} {d} {e} {f} {g} {h}");
        let others = format!("{i} {j} {k} {l} {m} {n:?} {o:?}");
        let names = format!("{p:?} {q:?}");
        vec![integers, others, names]
    }
}
