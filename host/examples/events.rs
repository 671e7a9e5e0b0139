//! Follows a run: its events are a stream, here awaited on a runtime of the program's own.
//!
//! ```text
//! $ cargo run --example events
//! split is done
//! 4 of 4 chunks are counted
//! merge is done
//! run succeeded, 0 events lost
//! ```

#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use cascade_host::{Error, Fact, Pipeline};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wordcount.toml");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut run = Pipeline::from_path(MANIFEST)?.run().param("text", "fox\ndog\ncat\nhen");
    let mut events = run.events();
    let running = run.start()?;
    let mut chunks = 0;
    while let Some(event) = events.next().await {
        let (Some(subject), Fact::TaskFinished { .. }) = (event.subject, event.fact) else {
            continue; // starts, progress and logs
        };
        match subject.item {
            Some(_) => chunks += 1,
            None if subject.task.as_str() == "count" => println!("{chunks} of 4 chunks are counted"),
            None => println!("{} is done", subject.task),
        }
    }
    let lost = events.lost();
    println!("run {}, {lost} events lost", running.await?.status());
    Ok(())
}
