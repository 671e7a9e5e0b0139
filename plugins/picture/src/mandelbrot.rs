//! Responsible for the mathematics: how fast each point escapes, and from which side light falls on it.
//! Leaves the choice of colours to `palette`.

use crate::Tile;
use crate::palette;
use crate::palette::Colour;

/// A point that is farther away than this never comes back; far enough for smooth colours.
const BAILOUT: f64 = 1e6;
/// Samples of a pixel are taken at these places, in both directions.
const SAMPLES: [f64; 2] = [0.25, 0.75];

/// A point that escaped.
#[derive(Clone, Copy)]
pub struct Escape {
    /// After how many iterations, with a fraction, so that colours have no bands.
    pub iterations: f64,
    /// How much the landscape of the set's distance faces the light, between -1 and 1.
    pub light: f64,
}

/// Computes red, green and blue of each pixel, row by row.
pub fn render(tile: &Tile, iterations: u32) -> Vec<u8> {
    let pixels = (0..tile.height).flat_map(|y| (0..tile.width).map(move |x| (f64::from(x), f64::from(y))));
    pixels.flat_map(|(x, y)| palette::bytes(pixel(tile, x, y, iterations))).collect()
}

/// The mean of a pixel's samples.
fn pixel(tile: &Tile, x: f64, y: f64, iterations: u32) -> Colour {
    let samples = SAMPLES.iter().flat_map(|down| SAMPLES.iter().map(move |right| (x + right, y + down)));
    let colours = samples.map(|(x, y)| {
        let real = tile.corner.real + x * tile.step;
        let imaginary = tile.corner.imaginary - y * tile.step;
        escape(real, imaginary, iterations).map_or(palette::INSIDE, palette::outside)
    });
    palette::mean(colours)
}

/// Follows a point; `None` if it stays. Follows the derivative too: it points away from the set.
fn escape(real: f64, imaginary: f64, iterations: u32) -> Option<Escape> {
    let (mut x, mut y) = (0.0, 0.0);
    let (mut dx, mut dy) = (0.0, 0.0);
    for iteration in 0..iterations {
        (dx, dy) = (2.0 * (x * dx - y * dy) + 1.0, 2.0 * (x * dy + y * dx));
        (x, y) = (x * x - y * y + real, 2.0 * x * y + imaginary);
        let square = x * x + y * y;
        if square > BAILOUT {
            let smooth = f64::from(iteration) + 2.0 - (square.ln() / 2.0).log2();
            return Some(Escape { iterations: smooth, light: light(x * dx + y * dy, y * dx - x * dy) });
        }
    }
    None
}

/// The cosine between a slope and the light, which falls from the upper left.
fn light(x: f64, y: f64) -> f64 {
    let length = x.hypot(y);
    if length > 0.0 { (y - x) * std::f64::consts::FRAC_1_SQRT_2 / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_stays_and_a_far_point_escapes_at_once() {
        assert!(escape(0.0, 0.0, 1000).is_none());
        assert!(escape(3.0, 0.0, 1000).unwrap().iterations < 3.0);
    }

    #[test]
    fn points_near_the_set_escape_later() {
        let far = escape(0.5, 0.5, 1000).unwrap().iterations;
        let near = escape(0.3, 0.5, 1000).map_or(1000.0, |escape| escape.iterations);
        assert!(near > far);
    }

    #[test]
    fn light_is_a_cosine() {
        assert!((light(-1.0, 1.0) - 1.0).abs() < 1e-12);
        assert!((light(5.0, -5.0) + 1.0).abs() < 1e-12);
    }
}
