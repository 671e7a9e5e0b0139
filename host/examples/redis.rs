//! Keeps a run in Redis, and resumes it: the second time nothing runs, since all results are stored.
//!
//! ```text
//! $ cargo run --example redis -- redis://127.0.0.1:6379/0
//! first: 6 calls
//! again: 0 calls
//! ```

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use cascade_host::{Error, Fact, Pipeline};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wordcount.toml");

fn main() -> Result<(), Error> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379/0".to_owned());
    let pipeline = Pipeline::from_path(MANIFEST)?;
    let run_id = format!("example-{}", std::process::id());
    for round in ["first", "again"] {
        let run = pipeline.run().param("text", "fox\ndog\ncat\nhen").run_id(&run_id).state(uri.as_str());
        println!("{round}: {} calls", count_calls(run)?);
    }
    Ok(())
}

/// Runs to the end, and counts the calls of guests.
fn count_calls(mut run: cascade_host::Run) -> Result<usize, Error> {
    let mut events = run.events();
    let running = run.start()?;
    let mut calls = 0;
    while let Some(event) = events.next_blocking() {
        calls += usize::from(matches!(event.fact, Fact::TaskStarted));
    }
    running.wait()?;
    Ok(calls)
}
