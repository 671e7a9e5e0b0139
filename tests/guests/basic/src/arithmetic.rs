//! Responsible for small functions to build graphs of.
//! Leaves failing to `failures`.

use std::hint::black_box;

use crate::Basic;
use crate::exports::test::basic::arithmetic::{Colour, Guest};

/// Rounds of `work` that take about a millisecond.
const ROUNDS_PER_MS: u32 = 900_000;

impl Guest for Basic {
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn double(x: u32) -> u32 {
        x.wrapping_mul(2)
    }

    fn is_even(x: u32) -> bool {
        x.is_multiple_of(2)
    }

    fn sum(xs: Vec<u32>) -> u32 {
        xs.into_iter().fold(0, u32::saturating_add)
    }

    fn numbers(n: u32) -> Vec<u32> {
        (0..n).collect()
    }

    fn concat(parts: Vec<String>) -> String {
        parts.concat()
    }

    fn choose(n: u32) -> String {
        let side = match n {
            0 => "left",
            1 => "right",
            _ => "neither",
        };
        side.to_owned()
    }

    fn pick_colour(n: u32) -> Colour {
        match n {
            0 => Colour::Red,
            1 => Colour::Green,
            _ => Colour::Blue,
        }
    }

    fn nothing() {}

    fn slow_echo(text: String, ms: u32) -> String {
        for _ in 0..ms {
            black_box(work(black_box(1)));
        }
        text
    }
}

/// Computes for about a millisecond; each round needs the one before.
fn work(seed: u32) -> u32 {
    (0..ROUNDS_PER_MS).fold(seed, |state, round| (state ^ round).wrapping_mul(0x9E37_79B1))
}
