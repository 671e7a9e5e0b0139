//! Writes of single MessagePack pieces in canonical form.
//! Reads are in `wire`, which re-exports these. The other files of `value` know which pieces form a value of a type.

use rmp::Marker;
use rmp::encode as put;

/// Writes nil.
pub fn put_nil(out: &mut Vec<u8>) {
    out.push(Marker::Null.to_u8());
}

/// Writes a bool.
#[expect(clippy::fn_params_excessive_bools, reason = "the bool is the value, not a choice")]
pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { Marker::True } else { Marker::False }.to_u8());
}

/// Writes an unsigned integer in its shortest form.
#[inline]
pub fn put_uint(out: &mut Vec<u8>, value: u64) {
    match u8::try_from(value) {
        Ok(small @ 0..=0x7f) => out.push(small),
        _ => never_fails(put::write_uint(out, value)), // longer than a byte
    }
}

/// Writes an integer in its shortest form. Numbers that are not negative are written as unsigned.
pub fn put_int(out: &mut Vec<u8>, value: i64) {
    never_fails(put::write_sint(out, value));
}

/// Writes a float 32; every NaN becomes the canonical one.
pub fn put_f32(out: &mut Vec<u8>, value: f32) {
    out.extend_from_slice(&f32_piece(value));
}

/// Writes a float 64; every NaN becomes the canonical one.
pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&f64_piece(value));
}

/// Writes consecutive floats 32 from little-endian `bytes`.
pub fn put_run_of_f32(out: &mut Vec<u8>, bytes: &[u8]) {
    put_run(out, bytes, |bytes| f32_piece(f32::from_le_bytes(bytes)));
}

/// Writes consecutive floats 64 from little-endian `bytes`.
pub fn put_run_of_f64(out: &mut Vec<u8>, bytes: &[u8]) {
    put_run(out, bytes, |bytes| f64_piece(f64::from_le_bytes(bytes)));
}

/// Writes pieces in blocks, so that the vector checks its capacity once per block.
fn put_run<const LEN: usize, const PIECE: usize>(
    out: &mut Vec<u8>,
    bytes: &[u8],
    piece: impl Fn([u8; LEN]) -> [u8; PIECE],
) {
    const BLOCK: usize = 64;
    let mut block = [[0; PIECE]; BLOCK];
    for values in bytes.as_chunks::<LEN>().0.chunks(BLOCK) {
        block.iter_mut().zip(values).for_each(|(slot, value)| *slot = piece(*value));
        out.extend_from_slice(block.as_flattened().get(..values.len() * PIECE).unwrap_or_default());
    }
}

fn f32_piece(value: f32) -> [u8; 5] {
    piece(Marker::F32, canonical_f32(value).to_be_bytes())
}

fn f64_piece(value: f64) -> [u8; 9] {
    piece(Marker::F64, canonical_f64(value).to_be_bytes())
}

/// Builds a piece from a marker and its body; `PIECE` is `LEN` plus one.
fn piece<const LEN: usize, const PIECE: usize>(marker: Marker, body: [u8; LEN]) -> [u8; PIECE] {
    let mut piece = [marker.to_u8(); PIECE];
    piece.last_chunk_mut().into_iter().for_each(|slot| *slot = body);
    piece
}

/// Returns the float, with every NaN replaced by the canonical one.
pub(crate) fn canonical_f32(value: f32) -> f32 {
    if value.is_nan() { f32::from_bits(0x7fc0_0000) } else { value }
}

/// Returns the float, with every NaN replaced by the canonical one.
pub(crate) fn canonical_f64(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { value }
}

/// Writes a str. Longer texts than 32 bits can count are cut; limits on output prevent that.
pub fn put_str(out: &mut Vec<u8>, value: &str) {
    never_fails(put::write_str(out, value));
}

/// Writes the head of a str of `len` bytes.
pub fn put_str_len(out: &mut Vec<u8>, len: usize) {
    never_fails(put::write_str_len(out, u32::try_from(len).unwrap_or(u32::MAX)));
}

/// Writes the head of a bin of `len` bytes.
pub fn put_bin_len(out: &mut Vec<u8>, len: usize) {
    never_fails(put::write_bin_len(out, u32::try_from(len).unwrap_or(u32::MAX)));
}

/// Writes a bin.
pub fn put_bin(out: &mut Vec<u8>, value: &[u8]) {
    never_fails(put::write_bin(out, value));
}

/// Writes the head of an array of `len` values.
pub fn put_array_len(out: &mut Vec<u8>, len: usize) {
    never_fails(put::write_array_len(out, u32::try_from(len).unwrap_or(u32::MAX)));
}

/// Writes the head of a map of `len` pairs.
pub fn put_map_len(out: &mut Vec<u8>, len: usize) {
    never_fails(put::write_map_len(out, u32::try_from(len).unwrap_or(u32::MAX)));
}

/// Ignores the result of a write to a vector: only its allocation can fail, and that aborts.
fn never_fails<T, E>(written: Result<T, E>) {
    drop(written);
}
