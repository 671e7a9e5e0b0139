//! The guest that imports both others, and exports what tasks call.
//! Every call of it runs through the others in one sandbox.

wit_bindgen::generate!({ path: "../wit", world: "top" });

use test::links::{counting, greeting};

struct Top;

impl Guest for Top {
    fn run(names: Vec<String>) -> Vec<Note> {
        let counter = counting::Counter::new(1);
        let greet = |name: String| Note { text: greeting::greet(&name, &counter), number: counter.next() };
        names.into_iter().map(greet).collect()
    }

    fn rarely(x: u32) -> u32 {
        greeting::rarely(x)
    }

    fn calls() -> (u32, u32) {
        (counting::calls(), greeting::calls())
    }

    fn variable(name: String) -> Option<String> {
        counting::variable(&name)
    }

    fn fill(mebibytes: u32) -> u32 {
        counting::fill(mebibytes)
    }
}

export!(Top);
