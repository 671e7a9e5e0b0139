//! Events as lines of JSON: common keys first, then those of the fact, then the subject.
//! The caller decides where the lines go. Parts common to all lines of a host are formatted once.

use crate::events::{Event, Subject};
use crate::model::{RunId, Timestamp};
use serde::Serialize;
use std::io::Write;

/// Version of the line format.
const VERSION: u32 = 1;

/// Formatter of the lines of one host in one run.
pub(crate) struct Lines {
    /// `,"run":"…","host":"…",`.
    names: Vec<u8>,
    second: i64,
    /// Beginning of the timestamps of the current second: `2026-11-24T02:15:00.`.
    stamp: String,
}

impl Lines {
    /// Creates a formatter for one host in one run.
    pub(crate) fn new(run: &RunId, host: &str) -> Self {
        let mut names = Vec::new();
        names.extend_from_slice(b"\",\"run\":");
        put(&mut names, run.as_str());
        names.extend_from_slice(b",\"host\":");
        put(&mut names, host);
        names.push(b',');
        Self { names, second: i64::MIN, stamp: String::new() }
    }

    /// Appends one event, with its line end.
    pub(crate) fn write_event(&mut self, out: &mut Vec<u8>, event: &Event) {
        self.put_head(out, event.at);
        let fact = out.len();
        put(out, &event.fact);
        // The fact serializes as an object. Dropping its braces joins it with the common keys before and the subject
        // after.
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
        // Writing to a vector cannot fail.
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
    if let Some(iteration) = subject.iteration {
        drop(write!(out, ",\"iteration\":{iteration}"));
    }
    if let Some(attempt) = subject.attempt {
        drop(write!(out, ",\"attempt\":{attempt}"));
    }
}

/// Appends a value as JSON. Facts have no value that JSON cannot express, and writing to a vector cannot fail.
fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    drop(serde_json::to_writer(&mut *out, value));
}
