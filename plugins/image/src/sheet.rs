//! Responsible for sheets: pictures in rows and columns, one in memory at a time.
//! Leaves files to `files`, and shrinking to `steps`.

use crate::{Error, Size, Step, files, steps};
use image::{DynamicImage, Rgba, RgbaImage, imageops};

/// Pixels around each cell.
const GAP: u32 = 8;

/// Lays pictures out in rows of `columns`, each shrunk into a cell and centred in it.
pub fn lay_out(pictures: &[Vec<u8>], columns: u32, cell: Size) -> Result<DynamicImage, Error> {
    let count = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
    if count == 0 || columns == 0 {
        return Err(Error::BadSize(format!("a sheet of {count} pictures in {columns} columns is empty")));
    }
    files::check(cell.width, cell.height)?;
    let width = length(columns.min(count), cell.width);
    let height = length(count.div_ceil(columns), cell.height);
    files::check(width, height)?;
    let mut sheet = RgbaImage::from_pixel(width, height, Rgba([255; 4]));
    for (index, file) in (0..).zip(pictures) {
        let picture = steps::apply(files::read(file)?, &Step::Shrink(cell))?.into_rgba8();
        let x = start(index % columns, cell.width) + (cell.width - picture.width()) / 2;
        let y = start(index / columns, cell.height) + (cell.height - picture.height()) / 2;
        imageops::overlay(&mut sheet, &picture, x.into(), y.into());
    }
    Ok(DynamicImage::ImageRgba8(sheet))
}

/// Returns the pixels of a number of cells in a row, with the gaps.
fn length(cells: u32, cell: u32) -> u32 {
    cells.saturating_mul(cell.saturating_add(GAP)).saturating_add(GAP)
}

/// Returns the first pixel of a cell of a sheet within its bounds.
fn start(index: u32, cell: u32) -> u32 {
    index * (cell + GAP) + GAP
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Pixels};

    const CELL: Size = Size { width: 4, height: 4 };

    fn picture(width: u32, height: u32, red: u8) -> Vec<u8> {
        let rgba = [red, 0, 0, 255].repeat((width * height) as usize);
        files::write(&files::of_pixels(Pixels { width, height, rgba }).unwrap(), Format::Png).unwrap()
    }

    #[test]
    fn pictures_lie_in_rows_and_in_the_middle_of_their_cells() {
        let pictures = [picture(4, 4, 1), picture(8, 4, 2), picture(2, 2, 3)];
        let sheet = lay_out(&pictures, 2, CELL).unwrap().into_rgba8();
        assert_eq!(sheet.dimensions(), (32, 32));
        let red = |x, y| sheet.get_pixel(x, y).0[0];
        assert_eq!([red(8, 8), red(11, 11), red(7, 8), red(12, 11)], [1, 1, 255, 255]);
        assert_eq!([red(20, 20), red(20, 21), red(23, 22)], [255, 255, 255]);
        assert_eq!([red(20, 9), red(23, 10), red(20, 8)], [2, 2, 255]);
        assert_eq!([red(9, 21), red(10, 22), red(8, 20), red(11, 23)], [3, 3, 255, 255]);
        assert_eq!(lay_out(&pictures[..1], 5, CELL).unwrap().width(), 20);
    }

    #[test]
    fn sheets_that_cannot_be_are_errors() {
        let one = [picture(1, 1, 0)];
        assert!(matches!(lay_out(&[], 2, CELL), Err(Error::BadSize(_))));
        assert!(matches!(lay_out(&one, 0, CELL), Err(Error::BadSize(_))));
        assert!(matches!(lay_out(&one, 1, Size { width: 0, height: 1 }), Err(Error::BadSize(_))));
        let wide = Size { width: 15_999, height: 1 };
        assert!(matches!(lay_out(&one, 1, wide), Err(Error::TooLarge(_))));
        let many = vec![one[0].clone(); 2_000];
        assert!(matches!(lay_out(&many, u32::MAX, CELL), Err(Error::TooLarge(_))));
        assert!(matches!(lay_out(&[b"text".to_vec()], 1, CELL), Err(Error::Malformed(_))));
    }
}
