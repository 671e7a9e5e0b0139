//! Checks that a resource of all runs was never held by more live hosts than it has seats.
//! Pure: `records` reads the events, `graph` says which tasks take a seat.

use crate::graph::SEATS;
use crate::names;
use crate::records::{Event, Log};
use std::collections::{BTreeSet, HashMap};

/// Guests that took as long as a lease may have lost their seat with it, in milliseconds. Those of tasks with a seat are quick.
const LEASE: i64 = 1000;

/// The time in which a guest was running for certain, in milliseconds.
type Stay = (i64, i64);

/// Returns the moments at which more guests were running than there are seats.
pub(crate) fn exceeded(seated: &BTreeSet<String>, logs: &[Log]) -> Vec<String> {
    let stays: Vec<Stay> = logs.iter().flat_map(|log| stays(seated, log)).collect();
    let together = |at: i64| stays.iter().filter(|(from, to)| *from <= at && at < *to).count();
    let crowded = stays.iter().filter(|(from, _)| together(*from) > SEATS);
    crowded.map(|(from, _)| format!("{} guests at {from} ms of the day", together(*from))).collect()
}

/// Returns when the guests of a host had a seat. One that was killed had it at least until the host's last event.
fn stays(seated: &BTreeSet<String>, log: &Log) -> Vec<Stay> {
    let last = log.events.last().map_or(0, millis);
    let mut open: HashMap<&str, i64> = HashMap::new();
    let mut stays = Vec::new();
    let of_seated = log.events.iter().filter(|event| seated.contains(&*names::task_of(&event.node)));
    for event in of_seated {
        match event.kind.as_str() {
            // The time of an event is cut to milliseconds.
            "task.started" => drop(open.insert(&event.node, millis(event) + 1)),
            "task.finished" => {
                if let Some(from) = open.remove(event.node.as_str()) {
                    stays.push((from, from - 2 + event.took));
                }
            }
            // When it ended before that is not known.
            "task.failed" | "task.retrying" | "task.lease_lost" | "task.taken_over" => {
                open.remove(event.node.as_str());
            }
            _ => {}
        }
    }
    stays.extend(open.into_values().map(|from| (from, last)));
    stays.retain(|(from, to)| to > from && to - from < LEASE);
    stays
}

/// Returns the milliseconds of the day of an event.
fn millis(event: &Event) -> i64 {
    let part = |from: usize, to: usize| -> i64 {
        event.at.get(from..to).and_then(|digits| digits.parse().ok()).expect("an event has a time")
    };
    ((part(11, 13) * 60 + part(14, 16)) * 60 + part(17, 19)) * 1000 + part(20, 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u32, kind: &str, node: &str, took: i64) -> Event {
        let at = format!("2026-01-01T00:00:00.{at:03}Z");
        Event { at, kind: kind.to_owned(), node: node.to_owned(), code: String::new(), took }
    }

    fn log(host: &str, events: Vec<Event>) -> Log {
        Log { host: host.to_owned(), events }
    }

    fn of(events: Vec<Event>) -> Vec<String> {
        let seated = ["t1", "t2"].map(str::to_owned).into();
        let others = vec![
            event(10, "task.started", "t1[0]", 0),
            event(11, "task.started", "t1[1]", 0),
            event(90, "task.finished", "t1[0]", 30),
            event(90, "task.finished", "t1[1]", 30),
        ];
        exceeded(&seated, &[log("one", others), log("other", events)])
    }

    #[test]
    fn more_guests_than_seats_are_detected() {
        let third = vec![event(20, "task.started", "t2", 0), event(99, "task.finished", "t2", 9)];
        assert_eq!(of(third), ["3 guests at 21 ms of the day"]);
        let killed = vec![event(20, "task.started", "t2", 0), event(30, "task.ready", "x", 0)];
        assert_eq!(of(killed), ["3 guests at 21 ms of the day"]);
    }

    #[test]
    fn guests_after_each_other_without_a_seat_or_of_unknown_end_are_no_fault() {
        let later = vec![event(42, "task.started", "t2", 0), event(99, "task.finished", "t2", 9)];
        assert_eq!(of(later), [""; 0]);
        let other = vec![event(20, "task.started", "t3", 0), event(99, "task.finished", "t3", 9)];
        assert_eq!(of(other), [""; 0]);
        let lost = vec![event(20, "task.started", "t2", 0), event(99, "task.lease_lost", "t2", 0)];
        assert_eq!(of(lost), [""; 0]);
    }
}
