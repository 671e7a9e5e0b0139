//! Responsible for pictures as files: reading within bounds, and writing.
//! Leaves changes to `steps`.

use crate::{Error, Format, Info, Pixels, Size};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};
use std::io::Cursor;

/// Bounds a side of a picture.
const MAX_SIDE: u32 = 16_000;
/// Bounds the pixels of a picture, of which a small file can claim very many. Two pictures and a file of this size fit into
/// the memory that a task has by default.
const MAX_PIXELS: u64 = 16_000_000;
/// Bounds what a decoder takes: a picture with 16 bits a colour.
const MAX_MEMORY: u64 = 160 << 20;
/// Bounds the pixels of a GIF, whose colours are chosen from copies of all of them.
const MAX_GIF_PIXELS: u64 = 4_000_000;
const JPEG_QUALITY: u8 = 85;

/// Returns what a file says of its picture.
pub fn info(file: &[u8]) -> Result<Info, Error> {
    let reader =
        ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|error| malformed(&error))?;
    let format = format_of(reader.format())?;
    let decoder = reader.into_decoder().map_err(|error| malformed(&error))?;
    let (width, height) = decoder.dimensions();
    Ok(Info { format, width, height, has_alpha: decoder.color_type().has_alpha() })
}

fn format_of(format: Option<ImageFormat>) -> Result<Format, Error> {
    match format {
        Some(ImageFormat::Png) => Ok(Format::Png),
        Some(ImageFormat::Jpeg) => Ok(Format::Jpeg),
        Some(ImageFormat::Gif) => Ok(Format::Gif),
        Some(ImageFormat::WebP) => Ok(Format::Webp),
        Some(ImageFormat::Bmp) => Ok(Format::Bmp),
        // All formats that the crate knows by name, of which others are not built in.
        _ => Err(Error::Malformed("the bytes are no PNG, JPEG, GIF, WebP or BMP".to_owned())),
    }
}

/// Reads a picture.
pub fn read(file: &[u8]) -> Result<DynamicImage, Error> {
    let info = info(file)?;
    check(info.width, info.height)?;
    let mut reader =
        ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|error| malformed(&error))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| match error {
        ImageError::Limits(_) => too_large(info.width, info.height),
        other => malformed(&other),
    });
    picture.map(of_8_bits)
}

/// A picture in the kinds of pixels that all formats know.
fn of_8_bits(picture: DynamicImage) -> DynamicImage {
    match picture {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => picture,
        other if other.color().has_alpha() => DynamicImage::ImageRgba8(other.into_rgba8()),
        other => DynamicImage::ImageRgb8(other.into_rgb8()),
    }
}

/// Checks that a picture of a size may exist.
pub fn check(width: u32, height: u32) -> Result<(), Error> {
    if width == 0 || height == 0 {
        return Err(Error::BadSize(format!("a picture of {width} x {height} pixels has none")));
    }
    let is_within = width.max(height) <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS;
    if is_within { Ok(()) } else { Err(too_large(width, height)) }
}

fn too_large(width: u32, height: u32) -> Error {
    Error::TooLarge(Size { width, height })
}

/// Takes pixels as a picture.
pub fn of_pixels(pixels: Pixels) -> Result<DynamicImage, Error> {
    let Pixels { width, height, rgba } = pixels;
    check(width, height)?;
    let bytes = rgba.len();
    let picture = u64::try_from(bytes).is_ok_and(|bytes| bytes == u64::from(width) * u64::from(height) * 4);
    let picture = picture.then(|| RgbaImage::from_raw(width, height, rgba)).flatten();
    let message = || {
        format!(
            "{width} x {height} pixels have {} bytes, not {bytes}",
            u64::from(width) * u64::from(height) * 4
        )
    };
    picture.map(DynamicImage::ImageRgba8).ok_or_else(|| Error::BadSize(message()))
}

/// Writes a picture.
pub fn write(picture: &DynamicImage, format: Format) -> Result<Vec<u8>, Error> {
    let (width, height) = (picture.width(), picture.height());
    if format == Format::Gif && u64::from(width) * u64::from(height) > MAX_GIF_PIXELS {
        return Err(too_large(width, height));
    }
    let mut file = Cursor::new(Vec::new());
    let written = match format {
        Format::Jpeg => {
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).encode_image(&on_white(picture))
        }
        Format::Png => picture.write_to(&mut file, ImageFormat::Png),
        Format::Gif => DynamicImage::ImageRgba8(picture.to_rgba8()).write_to(&mut file, ImageFormat::Gif),
        Format::Webp => picture.write_to(&mut file, ImageFormat::WebP),
        Format::Bmp => picture.write_to(&mut file, ImageFormat::Bmp),
    };
    written.map_err(|error| malformed(&error))?;
    Ok(file.into_inner())
}

/// JPEG has no transparency: what shines through is white.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let rgba = picture.to_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, opacity] = from.0.map(u16::from);
        let mixed = [red, green, blue].map(|part| (part * opacity + 255 * (255 - opacity) + 127) / 255);
        to.0 = mixed.map(|part| u8::try_from(part).unwrap_or(u8::MAX));
    }
    rgb
}

fn malformed(error: &dyn std::error::Error) -> Error {
    Error::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const ALL: [Format; 5] = [Format::Png, Format::Jpeg, Format::Gif, Format::Webp, Format::Bmp];

    fn sample() -> DynamicImage {
        let rgba = (0..6_u8).flat_map(|number| [number * 40, 255 - number * 40, 7, 255]).collect();
        of_pixels(Pixels { width: 3, height: 2, rgba }).unwrap()
    }

    #[test]
    fn pictures_come_back_in_every_format() {
        for format in ALL {
            let file = write(&sample(), format).unwrap();
            let info = info(&file).unwrap();
            assert!(info.format == format && (info.width, info.height) == (3, 2));
            let picture = read(&file).unwrap().to_rgba8();
            let is_near = |(a, b): (&u8, &u8)| a.abs_diff(*b) < 60;
            assert!(picture.iter().zip(sample().to_rgba8().iter()).all(is_near));
        }
    }

    #[test]
    fn transparent_pixels_are_white_in_jpeg() {
        let clear = of_pixels(Pixels { width: 8, height: 8, rgba: vec![0; 256] }).unwrap();
        let file = write(&clear, Format::Jpeg).unwrap();
        assert!(read(&file).unwrap().to_rgb8().iter().all(|part| *part > 250));
    }

    #[test]
    fn damaged_files_are_errors() {
        for format in ALL {
            let file = write(&sample(), format).unwrap();
            for end in 0..file.len() {
                _ = read(&file[..end]).map_err(|error| assert!(!matches!(error, Error::BadSize(_))));
            }
            for at in 0..file.len() {
                let mut damaged = file.clone();
                damaged[at] ^= 0xff;
                _ = read(&damaged);
            }
        }
        assert!(matches!(read(b""), Err(Error::Malformed(_))));
        assert!(matches!(read(b"II*\0 a TIFF"), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_file_that_claims_too_many_pixels_is_refused() {
        // The header of a BMP of 60,000 by 60,000 pixels.
        let mut file = write(&sample(), Format::Bmp).unwrap();
        file[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
        file[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
        assert!(matches!(read(&file), Err(Error::TooLarge(size)) if size.width == 60_000));
        let wide = DynamicImage::new_luma8(2_001, 2_000);
        assert!(matches!(write(&wide, Format::Gif), Err(Error::TooLarge(size)) if size.width == 2_001));
        for (width, height, len) in [(0, 1, 0), (1, 1, 3), (2, 2, 17)] {
            let pixels = Pixels { width, height, rgba: vec![0; len] };
            assert!(matches!(of_pixels(pixels), Err(Error::BadSize(_))));
        }
    }
}
