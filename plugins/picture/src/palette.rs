//! Responsible for colours: what a point looks like, and how samples become bytes.
//! Leaves the points to `mandelbrot`.

use crate::mandelbrot::Escape;

/// Red, green and blue, linear, between 0 and 1.
pub type Colour = [f64; 3];

/// The set itself.
pub const INSIDE: Colour = [0.0, 0.0, 0.01];

/// The colours around the set, from far to near, then from the start again.
const RING: [Colour; 5] = [
    [0.00, 0.01, 0.07], // night
    [0.02, 0.12, 0.42], // sea
    [0.80, 0.92, 0.98], // foam
    [1.00, 0.55, 0.05], // amber
    [0.22, 0.02, 0.04], // wine
];

/// What a point that escaped looks like.
pub fn outside(escape: Escape) -> Colour {
    let turn = (escape.iterations.max(1.0)).ln() * 0.62;
    let shade = 0.55 + 0.45 * escape.light;
    ring(turn).map(|part| part * shade)
}

/// The mean of colours.
pub fn mean(colours: impl Iterator<Item = Colour>) -> Colour {
    let (sum, count) = colours.fold(([0.0; 3], 0.0), |(sum, count), colour| (add(sum, colour), count + 1.0));
    sum.map(|part| part / f64::max(count, 1.0))
}

/// The bytes of a colour, as screens expect them (sRGB).
pub fn bytes(colour: Colour) -> [u8; 3] {
    colour.map(|part| byte(part.clamp(0.0, 1.0).powf(1.0 / 2.2)))
}

/// The colour at a part of a turn around the ring.
fn ring(turn: f64) -> Colour {
    let count = 5.0;
    let place = turn.rem_euclid(1.0) * count;
    let pairs = RING.iter().zip(RING.iter().cycle().skip(1));
    pairs.zip(0_u8..).fold([0.0; 3], |colour, ((from, to), at)| {
        let along = place - f64::from(at);
        if (0.0..1.0).contains(&along) { blend(*from, *to, along) } else { colour }
    })
}

/// Goes from one colour to the next, slowly at both ends.
fn blend(from: Colour, to: Colour, along: f64) -> Colour {
    let along = along * along * (3.0 - 2.0 * along);
    add(from.map(|part| part * (1.0 - along)), to.map(|part| part * along))
}

fn add([r, g, b]: Colour, [red, green, blue]: Colour) -> Colour {
    [r + red, g + green, b + blue]
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1 becomes 0 to 255")]
fn byte(part: f64) -> u8 {
    (part * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_closes() {
        for part in 0..3 {
            assert!((ring(0.0)[part] - ring(0.999_999)[part]).abs() < 1e-3);
        }
    }

    #[test]
    fn black_and_white_are_the_ends() {
        assert_eq!(bytes([0.0; 3]), [0; 3]);
        assert_eq!(bytes([1.5; 3]), [255; 3]);
    }

    #[test]
    fn the_mean_of_nothing_is_black() {
        assert_eq!(bytes(mean(std::iter::empty())), [0; 3]);
    }
}
