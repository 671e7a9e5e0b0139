//! Listens to a stream on a separate connection.
//! The callers decide what its entries mean; events of a run are read page by page in `stored/follow`.

use crate::state::redis::link::{Answer, Backoff, Command, Line, Link, Request};
use std::time::Duration;

/// Maximum time that the server blocks a read without new entries. A dead connection is noticed after the same time.
const BLOCK: Duration = Duration::from_secs(5);

/// An entry: its id, and the value of its first field.
pub(crate) type Entry = (String, String);

/// Passes new entries of a stream to `take`, oldest first, until the future is dropped. Passes `None` after a failure: entries
/// may have been missed, and the server may have lost data, so the stream is read again from its start.
pub(crate) async fn listen(
    link: &Link,
    name: &'static str,
    key: &str,
    mut take: impl FnMut(Option<Vec<Entry>>),
) {
    let connection = Line::new(name);
    let mut last = "0-0".to_owned();
    let mut backoff = Backoff::new();
    loop {
        let command = Command::new("XREAD")
            .arg("BLOCK")
            .arg(BLOCK.as_millis().to_string())
            .arg("STREAMS")
            .arg(key)
            .arg(&last);
        match link.ask_once(&connection, Request::read([command]), BLOCK).await {
            Ok(answers) => {
                backoff = Backoff::new();
                let new = entries(answers);
                if let Some((id, _)) = new.last() {
                    id.clone_into(&mut last);
                    take(Some(new));
                }
            }
            Err(()) => {
                "0-0".clone_into(&mut last);
                take(None);
                backoff.next(Duration::MAX).await;
            }
        }
    }
}

/// Returns the entries in a reply: streams, each with its name and entries.
fn entries(answers: Vec<Answer>) -> Vec<Entry> {
    let streams = answers.into_iter().next().map(Answer::list).unwrap_or_default();
    let entries =
        streams.into_iter().filter_map(|stream| stream.list().into_iter().nth(1)).flat_map(Answer::list);
    let text = |answer: Answer| String::from_utf8(answer.bytes()?.to_vec()).ok();
    let entry = |entry: Answer| {
        let mut parts = entry.list().into_iter();
        let (id, fields) = (parts.next()?, parts.next()?);
        Some((text(id)?, fields.list().into_iter().nth(1).and_then(text).unwrap_or_default()))
    };
    entries.filter_map(entry).collect()
}
