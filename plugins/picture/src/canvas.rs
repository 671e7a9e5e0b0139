//! Responsible for the picture as a whole: how it is cut into tiles, and how they become one file.
//! Leaves what stands in them to `mandelbrot`.

use crate::Painted;
use crate::Point;
use crate::Tile;

/// How much of the complex plane is seen from top to bottom at zoom 1.
const HEIGHT: f64 = 3.0;
/// Bytes of a pixel: red, green, blue.
const PIXEL: usize = 3;

/// Cuts a picture into tiles, row by row; those at the right and lower edge may be smaller.
pub fn tiles(width: u32, height: u32, side: u32, centre: Point, zoom: f64) -> Vec<Tile> {
    let step = HEIGHT / zoom / f64::from(height);
    let left = centre.real - step * f64::from(width) / 2.0;
    let top = centre.imaginary + step * f64::from(height) / 2.0;
    let tile = |x: u32, y: u32, side: u32| Tile {
        x,
        y,
        width: side.min(width - x),
        height: side.min(height - y),
        corner: Point { real: left + step * f64::from(x), imaginary: top - step * f64::from(y) },
        step,
    };
    let side = side.max(1);
    steps(height, side)
        .flat_map(|y| steps(width, side).map(move |x| (x, y)))
        .map(|(x, y)| tile(x, y, side))
        .collect()
}

/// Puts tiles together, in any order, and writes them as PNG.
pub fn stitch(tiles: &[Painted]) -> Result<Vec<u8>, String> {
    let extent = |end: fn(&Tile) -> u32| tiles.iter().map(|painted| end(&painted.tile)).max().unwrap_or(0);
    let width = extent(|tile| tile.x.saturating_add(tile.width));
    let height = extent(|tile| tile.y.saturating_add(tile.height));
    let mut pixels = vec![0; index(width) * index(height) * PIXEL];
    for painted in tiles {
        place(painted, index(width), &mut pixels)?;
    }
    encode(width, height, &pixels).map_err(|error| error.to_string())
}

/// Copies the rows of a tile to where they belong.
fn place(painted: &Painted, width: usize, pixels: &mut [u8]) -> Result<(), String> {
    let Painted { tile, pixels: colours } = painted;
    let row_length = index(tile.width) * PIXEL;
    if colours.len() != row_length * index(tile.height) {
        return Err(format!("the tile at {}, {} has {} bytes of colours", tile.x, tile.y, colours.len()));
    }
    let rows = pixels.chunks_exact_mut(width * PIXEL).skip(index(tile.y));
    for (row, colours) in rows.zip(colours.chunks_exact(row_length)) {
        let start = index(tile.x) * PIXEL;
        if let Some(place) = row.get_mut(start..start + row_length) {
            place.copy_from_slice(colours);
        }
    }
    Ok(())
}

fn encode(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(file)
}

fn steps(end: u32, side: u32) -> impl Iterator<Item = u32> {
    (0..end).step_by(index(side))
}

/// Lossless on every machine that components run on, which is never smaller than 32 bits.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mandelbrot;

    const CENTRE: Point = Point { real: -0.743_643_9, imaginary: 0.131_825_9 };

    #[test]
    fn tiles_cover_every_pixel_once() {
        let tiles = tiles(10, 7, 4, CENTRE, 1.0);
        let covers = |x, y| {
            let inside = |tile: &&Tile| {
                (tile.x..tile.x + tile.width).contains(&x) && (tile.y..tile.y + tile.height).contains(&y)
            };
            tiles.iter().filter(inside).count()
        };
        assert!((0..10).all(|x| (0..7).all(|y| covers(x, y) == 1)));
    }

    #[test]
    fn a_picture_does_not_depend_on_its_tiles() {
        let picture = |side| {
            let tiles = tiles(32, 24, side, Point { real: -0.5, imaginary: 0.0 }, 1.0);
            let paint = |tile: Tile| Painted { tile, pixels: mandelbrot::render(&tile, 60) };
            stitch(&tiles.into_iter().rev().map(paint).collect::<Vec<_>>()).unwrap()
        };
        assert!(picture(32) == picture(8));
    }

    #[test]
    fn a_tile_without_its_colours_is_an_error() {
        let tile = tiles(2, 2, 2, CENTRE, 1.0).remove(0);
        assert_eq!(
            stitch(&[Painted { tile, pixels: vec![0; 5] }]).unwrap_err(),
            "the tile at 0, 0 has 5 bytes of colours"
        );
    }
}
