//! Reads the records of a run: the data in Redis, and the events of its hosts.
//! `checker` judges them.

use crate::client::{Client, Reply};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The phase of a node that has a result.
const DONE: u8 = 3;

/// The stored data of tasks and elements, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) results: BTreeMap<String, Vec<u8>>,
    pub(crate) skipped: BTreeMap<String, Vec<u8>>,
    pub(crate) failed: BTreeMap<String, Vec<u8>>,
}

/// Other stored data.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) meta: BTreeMap<String, String>,
    /// Tokens, running elements, and all other entries that must be gone in the end.
    pub(crate) under_way: Vec<String>,
    /// Number of queued nodes, and of those waiting for a time.
    pub(crate) waiting: i64,
    /// TTL of each key, in milliseconds.
    pub(crate) kept: BTreeMap<String, i64>,
}

/// The events of one host, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    pub(crate) host: String,
    pub(crate) events: Vec<Event>,
}

/// An event of a host.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at: String,
    pub(crate) kind: String,
    /// `task`, `task[i]` or `task@i`; empty for an event of the run.
    pub(crate) node: String,
    /// The code of a warning.
    pub(crate) code: String,
    /// How long a call took, in milliseconds.
    pub(crate) took: i64,
}

impl Stored {
    /// Reads a run.
    pub(crate) fn read(client: &mut Client, run: &str) -> Self {
        let mut all = |name| read_hash(client, &format!("cascade:run:{run}:{name}"));
        Self { results: all("results"), skipped: all("skipped"), failed: all("failed") }
    }
}

impl Ledger {
    /// Reads a run.
    pub(crate) fn read(client: &mut Client, run: &str) -> Self {
        let key = |name: &str| format!("cascade:run:{run}:{name}");
        let meta = read_hash(client, &key("meta")).into_iter();
        let meta = meta.map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect();
        let fields = read_hash(client, &key("coord"));
        // Some fields stay: replies to hosts, resource requests of classes, shared amounts, names, edges and counts
        // of elements, and what earlier lives have told. So do fields of dead hosts, and of hosts whose heartbeat was
        // repeated after they left. A node within an element that has only elements itself has no result, but a record of
        // its end. All other fields belong to running nodes.
        let stays = |(field, value): &(String, Vec<u8>)| {
            let is_lasting = ["r:", "c:", "o:", "p:", "e:", "i:", "m:", "q:", "y:", "k:"]
                .iter()
                .any(|start| field.starts_with(start));
            let has_ended = field.starts_with("n:") && value.first().is_some_and(|phase| *phase == DONE);
            is_lasting
                || has_ended
                || ["u", "clocks", "finally", "end", "before", "told"].contains(&field.as_str())
        };
        let fields = fields.into_iter().filter(|field| !stays(field));
        let under_way = fields.map(|(field, _)| field.as_bytes().escape_ascii().to_string()).collect();
        // Both sets have one permanent entry.
        // Deadlines that have not passed are watched to the end.
        let watched = client.list(&["ZRANGE", &key("times"), "0", "-1"]);
        let watched = watched.iter().filter(|member| member.first() == Some(&b'k')).count();
        let waiting = ["ready", "times"].iter().filter_map(|name| client.number(&["ZCARD", &key(name)]));
        let waiting = waiting.sum::<i64>() - 2 - i64::try_from(watched).unwrap_or(i64::MAX);
        let keys = client.list(&["KEYS", &key("*")]);
        let keys = keys.into_iter().map(|key| String::from_utf8_lossy(&key).into_owned());
        let kept = keys.map(|key| (key.clone(), client.number(&["PTTL", &key]).unwrap_or(-2))).collect();
        Self { meta, under_way, waiting, kept }
    }

    /// Returns a counter of the run.
    pub(crate) fn count(&self, name: &str) -> Option<usize> {
        self.meta.get(name).and_then(|value| value.parse().ok())
    }
}

impl Log {
    /// Reads a file of events. The last line of a killed host may be incomplete.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let events =
            lines.map(|line| Event::parse(&serde_json::from_str(line).expect("an event is JSON"))).collect();
        let host = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self { host, events }
    }
}

impl Event {
    fn parse(event: &Value) -> Self {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let node = match event["item"].as_u64() {
            Some(item) => format!("{}[{item}]", text("task")),
            None => text("task"),
        };
        let node = event["iteration"].as_u64().map_or(node.clone(), |number| format!("{node}@{number}"));
        let took = Duration::from_secs_f64(event["duration_ms"].as_f64().unwrap_or_default() / 1e3);
        let took = i64::try_from(took.as_millis()).expect("a call takes no ages");
        Self { at: text("ts"), kind: text("event"), node, code: text("code"), took }
    }
}

fn read_hash(client: &mut Client, key: &str) -> BTreeMap<String, Vec<u8>> {
    let Some(Reply::List(parts)) = client.ask(&["HGETALL", key]) else { return BTreeMap::new() };
    let mut parts =
        parts.into_iter().map(|part| if let Reply::Bytes(bytes) = part { bytes } else { Vec::new() });
    let mut hash = BTreeMap::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        hash.insert(String::from_utf8_lossy(&name).into_owned(), value);
    }
    hash
}
