//! Responsible for the exports that `wit/examples.wit` promises.
//! Leaves points and their counts to `circle`.

wit_bindgen::generate!({ path: "wit" });

mod circle;

use exports::cascade::examples::journal::Guest as Journal;
use exports::cascade::examples::monte_carlo::{Estimate, Guest as MonteCarlo};
use exports::cascade::examples::visitors::Guest as Visitors;

struct Tasks;

impl MonteCarlo for Tasks {
    fn inside(seed: u32, draws: u32) -> u32 {
        circle::inside(seed, draws)
    }

    fn combine(counts: Vec<u32>, draws: u32) -> Estimate {
        circle::combine(&counts, draws)
    }
}

impl Journal for Tasks {
    fn note(name: String, text: String) -> Result<(), String> {
        std::fs::write(format!("journal/{name}.txt"), text).map_err(|error| error.to_string())
    }
}

impl Visitors for Tasks {
    fn shout(text: String) -> String {
        text.to_uppercase()
    }

    fn spin(text: String) -> String {
        let mut turns = 0_u64;
        while std::hint::black_box(turns) < u64::MAX {
            turns += 1;
        }
        text
    }

    fn hoard(text: String) -> String {
        let mut all = text;
        loop {
            all.push_str(&all.clone());
        }
    }

    fn peek(_text: String) -> Result<String, String> {
        std::fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())
    }
}

export!(Tasks);
