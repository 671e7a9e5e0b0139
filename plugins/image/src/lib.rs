//! Responsible for the exports that `wit/image.wit` promises.
//! Leaves files to `files`, changes to `steps`, and layout to `sheet`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod files;
mod sheet;
mod steps;

use exports::cascade::image::image::{Area, Error, Format, Guest, Info, Pixels, Size, Step};

struct Plugin;

impl Guest for Plugin {
    fn read_info(picture: Vec<u8>) -> Result<Info, Error> {
        files::info(&picture)
    }

    fn change(picture: Vec<u8>, steps: Vec<Step>, format: Format) -> Result<Vec<u8>, Error> {
        let picture = files::read(&picture)?;
        files::write(&steps.iter().try_fold(picture, steps::apply)?, format)
    }

    fn sheet(pictures: Vec<Vec<u8>>, columns: u32, cell: Size, format: Format) -> Result<Vec<u8>, Error> {
        files::write(&sheet::lay_out(&pictures, columns, cell)?, format)
    }

    fn decode(picture: Vec<u8>) -> Result<Pixels, Error> {
        let picture = files::read(&picture)?.into_rgba8();
        Ok(Pixels { width: picture.width(), height: picture.height(), rgba: picture.into_raw() })
    }

    fn encode(pixels: Pixels, format: Format) -> Result<Vec<u8>, Error> {
        files::write(&files::of_pixels(pixels)?, format)
    }
}

export!(Plugin);
