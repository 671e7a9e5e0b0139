//! Responsible for single changes of a picture, and the sizes that they lead to.
//! Leaves files to `files`.

use crate::files;
use crate::{Area, Error, Size, Step};
use image::DynamicImage;
use image::imageops::FilterType;

/// Slower than others, and the sharpest; sizes of pictures are bounded.
const FILTER: FilterType = FilterType::Lanczos3;
/// Bounds the picture between both directions of that filter, which has 16 bytes a pixel. Beyond it, pixels are averaged.
const MAX_BETWEEN: u64 = 8_000_000;

/// Applies one change.
pub fn apply(picture: DynamicImage, step: &Step) -> Result<DynamicImage, Error> {
    match step {
        Step::Fit(size) => scaled(&picture, inner(size_of(&picture), *size)?),
        Step::Shrink(size) => {
            let fits = picture.width() <= size.width && picture.height() <= size.height;
            if fits { Ok(picture) } else { scaled(&picture, inner(size_of(&picture), *size)?) }
        }
        Step::Fill(size) => {
            files::check(size.width, size.height)?;
            scaled(&crop(&picture, middle(size_of(&picture), *size)?)?, *size)
        }
        Step::Stretch(size) => scaled(&picture, *size),
        Step::Crop(area) => crop(&picture, *area),
        Step::RotateRight => Ok(picture.rotate90()),
        Step::RotateLeft => Ok(picture.rotate270()),
        Step::FlipHorizontal => Ok(picture.fliph()),
        Step::FlipVertical => Ok(picture.flipv()),
        Step::Greyscale => Ok(picture.grayscale()),
    }
}

fn size_of(picture: &DynamicImage) -> Size {
    Size { width: picture.width(), height: picture.height() }
}

fn scaled(picture: &DynamicImage, size: Size) -> Result<DynamicImage, Error> {
    files::check(size.width, size.height)?;
    if u64::from(picture.width()) * u64::from(size.height) > MAX_BETWEEN {
        return Ok(picture.thumbnail_exact(size.width, size.height));
    }
    Ok(picture.resize_exact(size.width, size.height, FILTER))
}

/// The largest size of some proportions inside of a size.
fn inner(proportions: Size, size: Size) -> Result<Size, Error> {
    files::check(size.width, size.height)?;
    let by_width =
        Size { width: size.width, height: share(proportions.height, size.width, proportions.width) };
    if by_width.height <= size.height {
        return Ok(by_width);
    }
    Ok(Size { width: share(proportions.width, size.height, proportions.height), height: size.height })
}

/// The largest area of some proportions in the middle of a picture.
fn middle(picture: Size, proportions: Size) -> Result<Area, Error> {
    let Size { width, height } = inner(proportions, picture)?;
    Ok(Area { x: (picture.width - width) / 2, y: (picture.height - height) / 2, width, height })
}

/// A length times a fraction, rounded, and at least a pixel.
fn share(length: u32, part: u32, whole: u32) -> u32 {
    let whole = u64::from(whole.max(1));
    let rounded = (u64::from(length) * u64::from(part) + whole / 2) / whole;
    u32::try_from(rounded.max(1)).unwrap_or(u32::MAX)
}

fn crop(picture: &DynamicImage, area: Area) -> Result<DynamicImage, Error> {
    let Area { x, y, width, height } = area;
    files::check(width, height)?;
    let is_inside =
        |from: u32, length: u32, whole: u32| from.checked_add(length).is_some_and(|end| end <= whole);
    if is_inside(x, width, picture.width()) && is_inside(y, height, picture.height()) {
        return Ok(picture.crop_imm(x, y, width, height));
    }
    let whole = format!("{} x {}", picture.width(), picture.height());
    Err(Error::BadSize(format!(
        "{width} x {height} pixels from {x}, {y} are not all in a picture of {whole}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(width: u32, height: u32, step: Step) -> Result<(u32, u32), Error> {
        let picture = apply(DynamicImage::new_rgba8(width, height), &step)?;
        Ok((picture.width(), picture.height()))
    }

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn sizes_after_each_step() {
        for (step, expected) in [
            (Step::Fit(size(50, 50)), (50, 25)),
            (Step::Fit(size(500, 100)), (200, 100)),
            (Step::Shrink(size(500, 100)), (100, 50)),
            (Step::Shrink(size(10, 100)), (10, 5)),
            (Step::Fill(size(30, 30)), (30, 30)),
            (Step::Fill(size(1, 90)), (1, 90)),
            (Step::Stretch(size(7, 9)), (7, 9)),
            (Step::Crop(Area { x: 90, y: 0, width: 10, height: 50 }), (10, 50)),
            (Step::RotateRight, (50, 100)),
            (Step::RotateLeft, (50, 100)),
            (Step::FlipHorizontal, (100, 50)),
            (Step::FlipVertical, (100, 50)),
            (Step::Greyscale, (100, 50)),
        ] {
            assert!(after(100, 50, step).is_ok_and(|found| found == expected), "{step:?}");
        }
        assert_eq!(after(10_000, 1, Step::Fit(size(5, 5))).unwrap(), (5, 1));
    }

    #[test]
    fn turns_and_flips_move_pixels() {
        let pixels = crate::Pixels { width: 2, height: 1, rgba: vec![1, 0, 0, 255, 2, 0, 0, 255] };
        let reds = |step| {
            let picture = apply(files::of_pixels(pixels.clone()).unwrap(), &step).unwrap();
            picture.to_rgba8().pixels().map(|pixel| pixel.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(reds(Step::RotateRight), [1, 2]);
        assert_eq!(reds(Step::RotateLeft), [2, 1]);
        assert_eq!(reds(Step::FlipHorizontal), [2, 1]);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        for step in [
            Step::Fit(size(0, 5)),
            Step::Fill(size(5, 0)),
            Step::Crop(Area { x: 91, y: 0, width: 10, height: 50 }),
            Step::Crop(Area { x: u32::MAX, y: 0, width: 10, height: 50 }),
            Step::Crop(Area { x: 0, y: 0, width: 0, height: 50 }),
        ] {
            assert!(matches!(after(100, 50, step), Err(Error::BadSize(_))), "{step:?}");
        }
        for step in
            [Step::Stretch(size(20_000, 1)), Step::Stretch(size(9_000, 9_000)), Step::Fill(size(u32::MAX, 1))]
        {
            assert!(matches!(after(100, 50, step), Err(Error::TooLarge(_))), "{step:?}");
        }
    }
}
