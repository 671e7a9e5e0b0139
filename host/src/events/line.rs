//! Events as lines of JSON: the common keys, those of the fact, and the subject.
//! What is the same in all lines of a host is made once; where lines go is for whoever writes them.

use crate::events::{Event, Subject};
use crate::model::{RunId, Timestamp};
use serde::Serialize;
use std::io::Write;

/// The version of the line format.
const VERSION: u32 = 1;

/// Writes the lines of one host on one run.
pub(crate) struct Lines {
    /// `,"run":"…","host":"…",`.
    names: Vec<u8>,
    second: i64,
    /// The beginning of timestamps of that second: `2026-11-24T02:15:00.`.
    stamp: String,
}

impl Lines {
    /// Lines of that host on that run.
    pub(crate) fn new(run: &RunId, host: &str) -> Self {
        let mut names = Vec::new();
        names.extend_from_slice(b"\",\"run\":");
        put(&mut names, run.as_str());
        names.extend_from_slice(b",\"host\":");
        put(&mut names, host);
        names.push(b',');
        Self { names, second: i64::MIN, stamp: String::new() }
    }

    /// Appends one event, with the line's end.
    pub(crate) fn write_event(&mut self, out: &mut Vec<u8>, event: &Event) {
        self.put_head(out, event.at);
        let fact = out.len();
        put(out, &event.fact);
        // The fact is an object of its own: it goes on where the common keys end, and the subject goes on behind it.
        out.remove(fact);
        out.pop();
        if let Some(subject) = &event.subject {
            put_subject(out, subject);
        }
        out.extend_from_slice(b"}\n");
    }

    fn put_head(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        let second = at.as_millis().div_euclid(1000);
        if second != self.second {
            self.second = second;
            self.stamp = at.to_string();
            self.stamp.truncate(self.stamp.len().saturating_sub("000Z".len()));
        }
        let millis = at.as_millis().rem_euclid(1000);
        // A vector takes everything.
        drop(write!(out, "{{\"v\":{VERSION},\"ts\":\"{}{millis:03}Z", self.stamp));
        out.extend_from_slice(&self.names);
    }
}

fn put_subject(out: &mut Vec<u8>, subject: &Subject) {
    // Names have no characters that JSON escapes.
    out.extend_from_slice(b",\"task\":\"");
    out.extend_from_slice(subject.task.as_str().as_bytes());
    out.push(b'"');
    if let Some(item) = subject.item {
        drop(write!(out, ",\"item\":{item}"));
    }
    if let Some(attempt) = subject.attempt {
        drop(write!(out, ",\"attempt\":{attempt}"));
    }
}

/// Nothing that is told has what JSON cannot say, and a vector takes everything.
fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    drop(serde_json::to_writer(&mut *out, value));
}
