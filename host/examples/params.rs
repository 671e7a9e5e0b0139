//! Runs a manifest with params as Rust values. Results stay in this process, since the manifest names no state.
//!
//! ```text
//! $ cargo run --example params
//! run succeeded: [{"word":"fox","times":3}]
//! ```

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use cascade_host::{Error, Pipeline};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wordcount.toml");

fn main() -> Result<(), Error> {
    let pipeline = Pipeline::from_path(MANIFEST)?;
    let report = pipeline.run().param("text", "fox and dog\nfox and\nfox").param("limit", 1_u32).wait()?;
    println!("run {}: {}", report.status(), report.json("top")?);
    Ok(())
}
