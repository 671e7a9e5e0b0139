//! Responsible for consumers that accept more than `echo` produces.
//! Leaves the conversion on the edge to the host.

use crate::Basic;
use crate::exports::test::basic::wider::{Guest, Named, Paint, Place};

impl Guest for Basic {
    fn name_of(who: Named) -> String {
        who.name
    }

    fn height_of(place: Place) -> Option<f64> {
        place.z
    }

    fn describe_paint(paint: Paint) -> String {
        let name = match paint {
            Paint::Red => "red",
            Paint::Green => "green",
            Paint::Blue => "blue",
            Paint::Black => "black",
        };
        format!("{name} paint")
    }
}
