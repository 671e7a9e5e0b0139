//! Reads outputs as Rust types: a record is a struct, a list is a `Vec`.
//!
//! ```text
//! $ cargo run --example outputs
//! fox: 3
//! dog: 1
//! ```

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use cascade_host::{Error, Pipeline};
use serde::Deserialize;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wordcount.toml");

/// `record tally { word: string, times: u32 }`, as the component's WIT has it.
#[derive(Deserialize)]
struct Tally {
    word: String,
    times: u32,
}

fn main() -> Result<(), Error> {
    let report = Pipeline::from_path(MANIFEST)?.run().param("text", "fox\nfox\ndog\nfox").wait()?;
    let top: Vec<Tally> = report.output("top")?;
    for Tally { word, times } in top {
        println!("{word}: {times}");
    }
    Ok(())
}
