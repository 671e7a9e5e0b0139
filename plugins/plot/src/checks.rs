//! Responsible for what a chart can be drawn of: lengths, numbers, sizes.
//! Leaves drawing to the other files.

use crate::{Error, Look, Points, Series};

/// Bounds the size of a chart: some 10 MB.
const MAX_VALUES: usize = 100_000;

/// A look without gaps.
pub struct Appearance {
    pub title: Option<String>,
    pub x_label: Option<String>,
    pub y_label: Option<String>,
    pub width: f64,
    pub height: f64,
}

/// Fills the gaps of a look.
pub fn look(look: Option<Look>) -> Result<Appearance, Error> {
    let look = look.unwrap_or(Look { title: None, x_label: None, y_label: None, width: None, height: None });
    Ok(Appearance {
        title: look.title,
        x_label: look.x_label,
        y_label: look.y_label,
        width: side(look.width, 720, "width")?,
        height: side(look.height, 400, "height")?,
    })
}

fn side(side: Option<u32>, default: u32, name: &str) -> Result<f64, Error> {
    match side.unwrap_or(default) {
        side @ 100..=10_000 => Ok(f64::from(side)),
        other => Err(Error::TooLarge(format!("a {name} of {other} pixels is not from 100 to 10,000"))),
    }
}

/// Checks that every series has a value for each label, and that one is finite.
pub fn series(labels: &[String], series: &[Series]) -> Result<(), Error> {
    if let Some(odd) = series.iter().find(|series| series.values.len() != labels.len()) {
        let Series { name, values } = odd;
        return Err(Error::Lengths(format!(
            "`{name}` has {} values for {} labels",
            values.len(),
            labels.len()
        )));
    }
    let all: Vec<f64> = series.iter().flat_map(|series| &series.values).copied().collect();
    values(&all)
}

/// Checks that every point has both coordinates, and that one is finite.
pub fn points(series: &[Points]) -> Result<(), Error> {
    if let Some(Points { name, x, y }) = series.iter().find(|series| series.x.len() != series.y.len()) {
        return Err(Error::Lengths(format!("`{name}` has {} x and {} y", x.len(), y.len())));
    }
    let whole = series
        .iter()
        .flat_map(|series| series.x.iter().zip(&series.y))
        .filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (x, y): (Vec<f64>, Vec<f64>) = whole.unzip();
    values(&x)?;
    values(&y)
}

/// Checks that there are some numbers, not too many, and that their range is one.
pub fn values(values: &[f64]) -> Result<(), Error> {
    if values.len() > MAX_VALUES {
        return Err(Error::TooLarge(format!("{} values are more than {MAX_VALUES}", values.len())));
    }
    let numbers = || values.iter().copied().filter(|value| !value.is_nan());
    let (Some(least), Some(greatest)) = (numbers().reduce(f64::min), numbers().reduce(f64::max)) else {
        return Err(Error::Empty);
    };
    if least.abs().max(greatest.abs()) < 1e300 { Ok(()) } else { Err(Error::Range) }
}

/// The number of bins: as asked for, or the square root of the number of values.
pub fn bins(bins: Option<u32>, values: usize) -> Result<u32, Error> {
    let root = (1..50).find(|bins| bins * bins >= values);
    match bins.or(root.and_then(|bins| u32::try_from(bins).ok())).unwrap_or(50) {
        bins @ 1..=1_000 => Ok(bins),
        other => Err(Error::TooLarge(format!("{other} bins are not from 1 to 1,000"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(values: &[f64]) -> Vec<Series> {
        vec![Series { name: "a".to_owned(), values: values.to_vec() }]
    }

    #[test]
    fn lists_of_different_lengths_are_named() {
        let found = series(&["x".to_owned()], &one(&[1.0, 2.0]));
        assert!(matches!(found, Err(Error::Lengths(message)) if message == "`a` has 2 values for 1 labels"));
        let uneven = Points { name: "b".to_owned(), x: vec![1.0], y: vec![] };
        assert!(
            matches!(points(&[uneven]), Err(Error::Lengths(message)) if message == "`b` has 1 x and 0 y")
        );
    }

    #[test]
    fn numbers_without_a_range_are_errors() {
        assert!(matches!(values(&[]), Err(Error::Empty)));
        assert!(matches!(values(&[f64::NAN]), Err(Error::Empty)));
        assert!(matches!(values(&[1.0, f64::INFINITY]), Err(Error::Range)));
        assert!(matches!(values(&[1e300, -1e300]), Err(Error::Range)));
        assert!(matches!(values(&vec![0.0; 100_001]), Err(Error::TooLarge(_))));
        assert!(values(&[f64::NAN, 0.0]).is_ok());
    }

    #[test]
    fn sizes_and_bins_have_bounds() {
        let with = |width| Look { title: None, x_label: None, y_label: None, width, height: None };
        assert!(look(None).is_ok_and(|look| look.width > 719.0));
        for width in [0, 99, 10_001, u32::MAX] {
            assert!(matches!(look(Some(with(Some(width)))), Err(Error::TooLarge(_))));
        }
        assert_eq!(bins(None, 100).unwrap(), 10);
        assert_eq!(bins(None, 100_000).unwrap(), 50);
        assert!(matches!(bins(Some(0), 1), Err(Error::TooLarge(_))));
    }
}
