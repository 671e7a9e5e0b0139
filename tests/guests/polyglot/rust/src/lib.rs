//! The tour in Rust.
wit_bindgen::generate!({ path: "../wit" });

use exports::test::polyglot::tour::{Baggage, Guest, Part, Shape};

struct Task;

impl Guest for Task {
    fn pass(what: Baggage) -> Baggage {
        let part = |part: Part| Part { name: part.name.chars().collect(), note: part.note, size: part.size };
        let shape = match what.shape {
            Shape::None => Shape::None,
            Shape::Dot(letter) => Shape::Dot(letter),
            Shape::Line(points) => Shape::Line(points.into_iter().collect()),
        };
        Baggage { shape, parts: what.parts.into_iter().map(part).collect(), ..what }
    }

    fn big(text: String) -> String {
        text.chars().collect()
    }

    fn fail(how: String) -> String {
        match how.as_str() {
            "throw" => panic!("no such city"),
            "assert" => assert_eq!(how.len(), 0, "how is empty"),
            _ => std::process::exit(3),
        }
        how
    }
}

export!(Task);
