//! Responsible for scales: from values to pixels, and the round values that an axis shows.
//! Leaves axes to `frame`.

/// A range of values on a range of pixels.
pub struct Scale {
    least: f64,
    greatest: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that holds all values, and ends at round ones. NaN has no place.
    pub fn of(values: impl Iterator<Item = f64>, [from, to]: [f64; 2]) -> Self {
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (least, greatest) = (least.min(value), greatest.max(value));
        }
        if least > greatest {
            (least, greatest) = (0.0, 1.0);
        }
        if greatest - least <= f64::max(least.abs(), greatest.abs()) * 1e-12 {
            let around = if greatest == 0.0 { 1.0 } else { greatest.abs() / 2.0 };
            (least, greatest) = (least - around, greatest + around);
        }
        let step = step(greatest - least);
        Self { least: (least / step).floor() * step, greatest: (greatest / step).ceil() * step, from, to }
    }

    /// Where a value lies.
    pub fn place(&self, value: f64) -> f64 {
        self.from + (value - self.least) / (self.greatest - self.least) * (self.to - self.from)
    }

    /// The round values from one end to the other, each with its text.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let step = step(self.greatest - self.least);
        let first = (self.least / step).round();
        let tick = |number: u32| {
            let value = (first + f64::from(number)) * step;
            (value, written(value, step))
        };
        let is_inside = |(value, _): &(f64, String)| *value <= self.greatest + step / 2.0;
        (0..MAX_TICKS).map(tick).take_while(is_inside).collect()
    }
}

/// More than a scale of `step` ever has.
const MAX_TICKS: u32 = 20;

/// A round step that cuts a range into four to ten parts.
fn step(range: f64) -> f64 {
    let rough = range / 6.0;
    let power = 10_f64.powf(rough.log10().floor());
    let part = rough / power;
    let round = if part < 1.5 {
        1.0
    } else if part < 3.5 {
        2.0
    } else if part < 7.5 {
        5.0
    } else {
        10.0
    };
    round * power
}

/// A value with the decimals that its step has; large and small ones with an exponent.
fn written(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&value.abs()) {
        // The step's digits decide how many of the value's are meant.
        let digits = (value.abs() / step).log10().ceil().clamp(0.0, 15.0);
        let decimals = (0..=15_u8).find(|decimals| f64::from(*decimals) >= digits).map_or(15, usize::from);
        let text = format!("{value:.decimals$e}");
        let (number, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let short =
            if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
        return format!("{short}e{exponent}");
    }
    let decimals = (0..=9_usize).find(|decimals| {
        let shown: f64 = format!("{step:.decimals$}").parse().unwrap_or(0.0);
        (shown - step).abs() < step * 1e-6
    });
    format!("{value:.*}", decimals.unwrap_or(9))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[f64]) -> String {
        let ticks = Scale::of(values.iter().copied(), [0.0, 100.0]).ticks();
        ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        for (values, ticks) in [
            (&[0.0, 10.0][..], "0 2 4 6 8 10"),
            (&[1.0, 97.0], "0 20 40 60 80 100"),
            (&[-0.3, 0.25], "-0.3 -0.2 -0.1 0.0 0.1 0.2 0.3"),
            (&[5.0], "2 3 4 5 6 7 8"),
            (&[0.0], "-1.0 -0.8 -0.6 -0.4 -0.2 0 0.2 0.4 0.6 0.8 1.0"),
            (&[0.0, 3e9], "0 5e8 1e9 1.5e9 2e9 2.5e9 3e9"),
            (&[f64::NAN, 0.0, 1e-6], "0 2e-7 4e-7 6e-7 8e-7 1e-6"),
        ] {
            assert_eq!(shown(values), ticks.replace("0.0 ", "0 ").as_str(), "{values:?}");
        }
    }

    #[test]
    fn any_two_numbers_make_a_scale() {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            1e-300,
            -1e-300,
            9e299,
            -9e299,
            f64::MIN_POSITIVE,
            1.0 + f64::EPSILON,
            1e15 + 1.0,
        ];
        for (a, b) in numbers.iter().flat_map(|a| numbers.iter().map(move |b| (*a, *b))) {
            let scale = Scale::of([a, b].into_iter(), [10.0, 20.0]);
            let ticks = scale.ticks();
            assert!((1..=20).contains(&ticks.len()), "{a} {b}: {} ticks", ticks.len());
            assert!((9.9..20.1).contains(&scale.place(a)), "{a} {b}");
        }
    }
}
