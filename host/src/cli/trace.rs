//! The trace of a run, in Chrome's trace event format, which Perfetto opens: a process a host, a thread a slot.
//! `app/figures` has the attempts. The format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use crate::app::{Figures, Span};
use crate::model::TaskIdx;
use serde::Serialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Maximum number of attempts. Viewers in a browser become slow beyond; of a run with more, the longest are kept.
const MAX_SPANS: usize = 100_000;

/// Points of each counter, by host: the peak of each of as many equal parts of the run.
const POINTS: usize = 1000;

/// A trace, and what it does not have.
pub(crate) struct Trace {
    /// The file.
    pub json: Vec<u8>,
    /// Number of attempts that are not in it.
    pub left_out: u64,
}

/// An event of the format. Times are in microseconds from the first start.
#[derive(Serialize)]
struct Entry<'a> {
    ph: &'static str,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<i64>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    /// Connects the two ends of an arrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    /// `e`: the arrow ends at the attempt that begins here.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

impl<'a> Entry<'a> {
    const fn new(ph: &'static str, (pid, tid): (u32, u32), name: &'a str) -> Self {
        Self { ph, pid, tid, ts: None, dur: None, name, cat: None, id: None, bp: None, args: Value::Null }
    }
}

/// Makes the trace of a run.
pub(crate) fn trace(figures: &Figures) -> serde_json::Result<Trace> {
    let spans = &figures.timeline.spans;
    let kept = longest(spans);
    let left_out = figures.timeline.dropped + u64::try_from(spans.len() - kept.len()).unwrap_or(0);
    let origin = figures.time.map_or(0, |(first, _)| first);
    let mut writer = Writer { json: Vec::new(), is_first: true };
    let head = json!({
        "run": figures.run.run.to_string(),
        "name": figures.run.name,
        "status": figures.run.status.as_str(),
        "attempts_left_out": left_out,
        "start_us_since_1970": origin,
    });
    writer.json.extend(b"{\"displayTimeUnit\":\"ms\",\"otherData\":");
    serde_json::to_writer(&mut writer.json, &head)?;
    writer.json.extend(b",\"traceEvents\":[\n");
    for (pid, (host, lanes)) in (0..).zip(figures.timeline.hosts.iter().zip(&figures.timeline.lanes)) {
        writer
            .put(&Entry { args: json!({ "name": &*host.0 }), ..Entry::new("M", (pid, 0), "process_name") })?;
        for lane in 0..*lanes {
            let name = format!("slot {}", lane + 1);
            writer.put(&Entry {
                args: json!({ "name": name }),
                ..Entry::new("M", (pid, lane), "thread_name")
            })?;
        }
    }
    for span in &kept {
        let name = name(figures, span.task);
        let mut args = json!({ "waited_us": span.waited, "memory_bytes": span.memory });
        if let (Some(item), Some(args)) = (span.item, args.as_object_mut()) {
            args.insert("item".to_owned(), item.into());
        }
        writer.put(&Entry {
            ts: Some(span.start - origin),
            dur: Some(span.end - span.start),
            cat: Some(if span.has_failed { "failed" } else { "task" }),
            args,
            ..Entry::new("X", (span.host, span.lane), name)
        })?;
    }
    put_flows(&mut writer, figures, (&kept, origin))?;
    put_counters(&mut writer, figures)?;
    writer.json.extend(b"\n]}\n");
    Ok(Trace { json: writer.json, left_out })
}

struct Writer {
    json: Vec<u8>,
    is_first: bool,
}

impl Writer {
    fn put(&mut self, entry: &Entry<'_>) -> serde_json::Result<()> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.json.extend(b",\n");
        }
        serde_json::to_writer(&mut self.json, entry)
    }
}

fn name(figures: &Figures, task: u32) -> &str {
    let task = usize::try_from(task).ok().and_then(|task| figures.tasks.get(task));
    task.map_or("?", |task| task.name.as_str())
}

/// Returns the longest attempts, by start.
fn longest(spans: &[Span]) -> Vec<Span> {
    let mut kept = spans.to_vec();
    if kept.len() > MAX_SPANS {
        kept.sort_by_key(|span| Reverse(span.end - span.start));
        kept.truncate(MAX_SPANS);
        kept.sort_by_key(|span| (span.start, span.end));
    }
    kept
}

/// Draws an arrow along each edge: from the last end of the input to the first start of the task.
fn put_flows(
    writer: &mut Writer,
    figures: &Figures,
    (spans, origin): (&[Span], i64),
) -> serde_json::Result<()> {
    let (mut first, mut last): (HashMap<u32, Span>, HashMap<u32, Span>) = Default::default();
    for span in spans {
        first.entry(span.task).or_insert(*span); // they are sorted by start
        let latest = last.entry(span.task).or_insert(*span);
        if span.end > latest.end {
            *latest = *span;
        }
    }
    let mut id = 0;
    for (task, starts) in (0..)
        .map(TaskIdx::new)
        .take(figures.tasks.len())
        .filter_map(|task| Some((task, first.get(&task.get())?)))
    {
        for input in figures.record.lineage().inputs(task) {
            let Some(ends) = last.get(&input.get()).filter(|ends| ends.end <= starts.start + 1000) else {
                continue;
            };
            id += 1;
            let (from, to) = ((ends.host, ends.lane), (starts.host, starts.lane));
            // The arrow must begin within the attempt that it comes from.
            let at = (ends.end - 1).max(ends.start) - origin;
            let arrow =
                |ph, place| Entry { cat: Some("input"), id: Some(id), ..Entry::new(ph, place, "input") };
            writer.put(&Entry { ts: Some(at), ..arrow("s", from) })?;
            writer.put(&Entry { ts: Some(starts.start - origin), bp: Some("e"), ..arrow("f", to) })?;
        }
    }
    Ok(())
}

/// What attempts take at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Load {
    running: i64,
    waiting: i64,
    memory: i64,
}

/// Writes the counters of each host: attempts that run, nodes that wait on the host, and the peak memory of what runs.
fn put_counters(writer: &mut Writer, figures: &Figures) -> serde_json::Result<()> {
    let Some((first, last)) = figures.time else { return Ok(()) };
    let width = ((last - first) / i64::try_from(POINTS).unwrap_or(1)).max(1);
    for pid in 0..u32::try_from(figures.timeline.hosts.len()).unwrap_or(0) {
        let of_host = figures.timeline.spans.iter().filter(|span| span.host == pid);
        for (part, load) in peaks(of_host, (first, width)) {
            let ts = Some(part * width);
            for (name, value) in
                [("running", load.running), ("waiting", load.waiting), ("memory", load.memory)]
            {
                let args = json!({ name: value });
                writer.put(&Entry { ts, args, ..Entry::new("C", (pid, 0), name) })?;
            }
        }
    }
    Ok(())
}

/// Returns the peak load in each part of the run in which it changes.
fn peaks<'s>(spans: impl Iterator<Item = &'s Span>, (first, width): (i64, i64)) -> Vec<(i64, Load)> {
    let mut changes: Vec<(i64, Load)> = Vec::new();
    for span in spans {
        let memory = i64::try_from(span.memory).unwrap_or(i64::MAX);
        let waited = i64::from(span.waited);
        changes.push((span.start - waited, Load { waiting: 1, ..Load::default() }));
        changes.push((span.start, Load { waiting: -1, running: 1, memory }));
        changes.push((span.end, Load { waiting: 0, running: -1, memory: -memory }));
    }
    changes.sort_by_key(|(at, _)| *at);
    let (mut now, mut peak, mut part) = (Load::default(), Load::default(), 0);
    let mut points = Vec::new();
    for (at, change) in changes {
        let of = (at - first).max(0) / width;
        if of != part {
            points.push((part, peak));
            if of > part + 1 {
                points.push((part + 1, now));
            }
            (part, peak) = (of, now);
        }
        now.running += change.running;
        now.waiting += change.waiting;
        now.memory = now.memory.saturating_add(change.memory);
        peak = Load {
            running: peak.running.max(now.running),
            waiting: peak.waiting.max(now.waiting),
            memory: peak.memory.max(now.memory),
        };
    }
    points.push((part, peak));
    points.push((part + 1, now));
    points.dedup_by(|next, before| next.1 == before.1);
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_the_peaks_of_each_part() {
        let span = |start, end, memory| Span { start, end, memory, waited: 5, ..Span::default() };
        let spans = [span(10, 30, 7), span(20, 25, 1), span(95, 99, 2)];
        let points: Vec<_> = peaks(spans.iter(), (0, 10))
            .into_iter()
            .map(|(part, load)| (part, load.running, load.waiting, load.memory))
            .collect();
        assert_eq!(
            points,
            [
                (0, 0, 1, 0),
                (1, 1, 1, 7),
                (2, 2, 1, 8),
                (3, 1, 0, 7),
                (4, 0, 0, 0),
                (9, 1, 1, 2),
                (10, 0, 0, 0)
            ]
        );
    }

    #[test]
    fn longest_attempts_are_kept() {
        let spans: Vec<Span> =
            (0..150_000).map(|start| Span { start, end: start + start % 7, ..Span::default() }).collect();
        let kept = longest(&spans);
        assert_eq!(kept.len(), MAX_SPANS);
        assert!(
            kept.iter().all(|span| span.end - span.start >= 2) && kept.is_sorted_by_key(|span| span.start)
        );
    }
}
