//! Responsible for making NaNs by many operations, on numbers and on vectors, and for reading their bits.
//! Operations that only move bits (negation, absolute value, sign) keep a payload by definition and are left out.

use core::arch::wasm32::{
    f32x4, f32x4_add, f32x4_div, f32x4_max, f32x4_min, f32x4_mul, f32x4_nearest, f32x4_sqrt, f32x4_sub,
    f64x2, f64x2_add, f64x2_div, f64x2_max, f64x2_min, f64x2_mul, f64x2_promote_low_f32x4, f64x2_sqrt,
    f64x2_sub, i32x4_extract_lane, i64x2_extract_lane, v128,
};
use std::hint::black_box;

use crate::Sight;

/// Quiet and signalling, of both signs, with payloads.
const NANS_32: [u32; 5] = [0x7fc0_0000, 0xffc0_0000, 0x7fc1_2345, 0x7f81_2345, 0xff80_0001];
const NANS_64: [u64; 4] =
    [0x7ff8_0000_0000_0000, 0xfff8_0000_0000_0001, 0x7ff8_dead_beef_0000, 0x7ff0_0000_0000_0001];

type Operation<T> = (&'static str, fn(T) -> T);

const ON_32: [Operation<f32>; 12] = [
    ("x + 1", |x| x + black_box(1.0)),
    ("1 - x", |x| black_box(1.0) - x),
    ("x * 0", |x| x * black_box(0.0)),
    ("x / x", |x| x / black_box(x)),
    ("sqrt", f32::sqrt),
    ("floor", f32::floor),
    ("ceil", f32::ceil),
    ("trunc", f32::trunc),
    ("nearest", f32::round_ties_even),
    ("x + y", |x| x + black_box(f32::from_bits(0xffd5_5555))),
    ("y * x", |x| black_box(f32::from_bits(0xffd5_5555)) * x),
    #[expect(clippy::cast_possible_truncation, reason = "the narrowing is what is tried")]
    ("there and back", |x| black_box(f64::from(x)) as f32),
];

const ON_64: [Operation<f64>; 10] = [
    ("x + 1", |x| x + black_box(1.0)),
    ("1 - x", |x| black_box(1.0) - x),
    ("x * 0", |x| x * black_box(0.0)),
    ("x / x", |x| x / black_box(x)),
    ("sqrt", f64::sqrt),
    ("floor", f64::floor),
    ("ceil", f64::ceil),
    ("nearest", f64::round_ties_even),
    ("x + y", |x| x + black_box(f64::from_bits(0xfff5_5555_0000_0001))),
    #[expect(clippy::cast_possible_truncation, reason = "the narrowing is what is tried")]
    ("there and back", |x| f64::from(black_box(x as f32))),
];

/// Every operation on every NaN, and on numbers of which it makes one.
pub(crate) fn look() -> Vec<Sight> {
    let mut sights = Vec::new();
    for bits in NANS_32 {
        for (name, operation) in ON_32 {
            let made = operation(black_box(f32::from_bits(bits)));
            see(&mut sights, &format!("f32 {name} of {bits:08x}"), u64::from(made.to_bits()));
        }
        vectors_32(&mut sights, bits);
    }
    for bits in NANS_64 {
        for (name, operation) in ON_64 {
            let made = operation(black_box(f64::from_bits(bits)));
            see(&mut sights, &format!("f64 {name} of {bits:016x}"), made.to_bits());
        }
        vectors_64(&mut sights, bits);
    }
    let (zero, infinity) = (black_box(0.0_f32), black_box(f32::INFINITY));
    for (name, made) in [
        ("0 / 0", zero / black_box(zero)),
        ("inf - inf", infinity - black_box(infinity)),
        ("inf * 0", infinity * zero),
        ("sqrt of -1", black_box(-1.0_f32).sqrt()),
    ] {
        see(&mut sights, &format!("f32 {name}"), u64::from(made.to_bits()));
    }
    let (zero, infinity) = (black_box(0.0_f64), black_box(f64::INFINITY));
    for (name, made) in [
        ("0 / 0", zero / black_box(zero)),
        ("inf - inf", infinity - black_box(infinity)),
        ("inf * 0", infinity * zero),
        ("sqrt of -1", black_box(-1.0_f64).sqrt()),
    ] {
        see(&mut sights, &format!("f64 {name}"), made.to_bits());
    }
    sights
}

fn see(sights: &mut Vec<Sight>, tried: &str, bits: u64) {
    sights.push(Sight { tried: tried.to_owned(), seen: format!("{bits:x}") });
}

#[target_feature(enable = "simd128")]
fn vectors_32(sights: &mut Vec<Sight>, bits: u32) {
    let x = black_box(f32::from_bits(bits));
    let nan = f32x4(x, 1.0, x, -0.0);
    let other = f32x4(1.0, 2.0, black_box(f32::from_bits(0xffd5_5555)), 0.5);
    let mut lanes = |name: &str, made: v128| {
        let low = i32x4_extract_lane::<0>(made).cast_unsigned();
        let high = i32x4_extract_lane::<2>(made).cast_unsigned();
        for (lane, made) in [(0, low), (2, high)] {
            see(sights, &format!("f32x4 {name} of {bits:08x}, lane {lane}"), u64::from(made));
        }
    };
    lanes("add", f32x4_add(nan, other));
    lanes("sub", f32x4_sub(other, nan));
    lanes("mul", f32x4_mul(nan, other));
    lanes("div", f32x4_div(other, nan));
    lanes("min", f32x4_min(nan, other));
    lanes("max", f32x4_max(other, nan));
    lanes("sqrt", f32x4_sqrt(nan));
    lanes("nearest", f32x4_nearest(nan));
    let promoted = f64x2_promote_low_f32x4(nan);
    let made = i64x2_extract_lane::<0>(promoted).cast_unsigned();
    see(sights, &format!("f64x2 promoted of {bits:08x}"), made);
}

#[target_feature(enable = "simd128")]
fn vectors_64(sights: &mut Vec<Sight>, bits: u64) {
    let x = black_box(f64::from_bits(bits));
    let (nan, other) = (f64x2(x, x), f64x2(1.0, black_box(f64::from_bits(0xfff5_5555_0000_0001))));
    let mut lanes = |name: &str, made: v128| {
        for (lane, made) in [(0, i64x2_extract_lane::<0>(made)), (1, i64x2_extract_lane::<1>(made))] {
            see(sights, &format!("f64x2 {name} of {bits:016x}, lane {lane}"), made.cast_unsigned());
        }
    };
    lanes("add", f64x2_add(nan, other));
    lanes("sub", f64x2_sub(other, nan));
    lanes("mul", f64x2_mul(nan, other));
    lanes("div", f64x2_div(other, nan));
    lanes("min", f64x2_min(other, nan));
    lanes("max", f64x2_max(nan, other));
    lanes("sqrt", f64x2_sqrt(nan));
}
