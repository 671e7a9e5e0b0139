//! Responsible for relaxed vector operations where machines differ: fused or not, out of range, mixed masks.
//! Leaves it to the tests to know what the deterministic form of each gives.

use core::arch::wasm32::{
    f32x4, f32x4_relaxed_madd, f32x4_relaxed_max, f32x4_relaxed_min, f64x2, f64x2_relaxed_madd, i8x16,
    i8x16_relaxed_laneselect, i8x16_relaxed_swizzle, i16x8_extract_lane, i16x8_relaxed_dot_i8x16_i7x16,
    i16x8_relaxed_q15mulr, i16x8_splat, i32x4_relaxed_trunc_f32x4, u8x16_splat, u32x4_relaxed_trunc_f32x4,
    v128,
};
use std::hint::black_box;

use crate::Sight;
use crate::see;

/// Each operation on operands for which the standard allows more than one result.
#[target_feature(enable = "relaxed-simd")]
pub(crate) fn look(sights: &mut Vec<Sight>) {
    let (nan, huge) = (black_box(f32::NAN), black_box(1e30_f32));
    let odd = f32x4(nan, huge, -huge, -1.5);
    bits(sights, "relaxed trunc, signed", i32x4_relaxed_trunc_f32x4(odd));
    bits(sights, "relaxed trunc, unsigned", u32x4_relaxed_trunc_f32x4(odd));
    let zeros = (f32x4(0.0, -0.0, nan, 1.0), f32x4(-0.0, 0.0, 1.0, nan));
    bits(sights, "relaxed min", f32x4_relaxed_min(zeros.0, zeros.1));
    bits(sights, "relaxed max", f32x4_relaxed_max(zeros.0, zeros.1));
    // Rounded once or twice: the difference stands in the last bit.
    let near = black_box(1.0 + f32::EPSILON);
    let fused = f32x4_relaxed_madd(
        f32x4(near, near, 1e38, 3.0),
        f32x4(near, near, 10.0, 5.0),
        f32x4(-1.0, -near, -1e38, 1.0),
    );
    bits(sights, "relaxed madd, f32", fused);
    let near = black_box(1.0 + f64::EPSILON);
    bits(
        sights,
        "relaxed madd, f64",
        f64x2_relaxed_madd(f64x2(near, 3.0), f64x2(near, 5.0), f64x2(-1.0, 1.0)),
    );
    let bytes = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let far = i8x16(15, 16, 31, 64, 127, -128, -1, 0, 1, 2, 3, 17, 100, -100, 5, 6);
    bits(sights, "relaxed swizzle", i8x16_relaxed_swizzle(bytes, far));
    bits(sights, "relaxed laneselect", i8x16_relaxed_laneselect(bytes, far, u8x16_splat(black_box(0x5a))));
    let least = i16x8_splat(black_box(i16::MIN));
    see(sights, "relaxed q15mulr", i16x8_extract_lane::<0>(i16x8_relaxed_q15mulr(least, least)));
    bits(sights, "relaxed dot", i16x8_relaxed_dot_i8x16_i7x16(far, far));
}

#[target_feature(enable = "relaxed-simd")]
fn bits(sights: &mut Vec<Sight>, tried: &str, made: v128) {
    use core::arch::wasm32::u64x2_extract_lane;
    see(sights, tried, (u64x2_extract_lane::<0>(made), u64x2_extract_lane::<1>(made)));
}
