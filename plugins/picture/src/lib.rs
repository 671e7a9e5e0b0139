//! Responsible for the exports that `wit/picture.wit` promises.
//! Leaves geometry to `canvas`, mathematics to `mandelbrot` and colours to `palette`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod canvas;
mod mandelbrot;
mod palette;

use exports::cascade::picture::mandelbrot::{Guest, Painted, Point, Tile};

struct Picture;

impl Guest for Picture {
    fn tiles(width: u32, height: u32, side: u32, centre: Point, zoom: f64) -> Vec<Tile> {
        canvas::tiles(width, height, side, centre, zoom)
    }

    fn render(tile: Tile, iterations: u32) -> Painted {
        Painted { tile, pixels: mandelbrot::render(&tile, iterations) }
    }

    fn stitch(tiles: Vec<Painted>) -> Result<Vec<u8>, String> {
        canvas::stitch(&tiles)
    }
}

export!(Picture);
