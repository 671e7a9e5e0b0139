//! The descendants of this process, as the system lists them, and how to end them.
//! The supervisor decides when.

use rustix::process::{Pid, Signal, getpid, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Interval at which the processes are listed while waiting for their end.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long to wait for killed processes, since one may hang in a system call.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// The selected descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descendants {
    /// All descendants of this process.
    All,
    /// Descendants in the session of this process; daemons leave it.
    SameSession,
}

/// A snapshot of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: i32,
    session: i32,
    has_ended: bool,
}

/// Sends a signal to all live descendants.
pub(crate) fn signal(which: Descendants, signal: Signal) {
    for process in live_descendants(which) {
        kill_process(process, signal).ok(); // fails if it has ended meanwhile
    }
}

/// Asks descendants to end (SIGTERM), and kills those that are alive after `grace`.
pub(crate) fn end(which: Descendants, grace: Duration) {
    signal(which, Signal::TERM);
    let deadline = Instant::now() + grace;
    while !live_descendants(which).is_empty() && Instant::now() < deadline {
        sleep(POLL_INTERVAL);
    }
    kill(which);
}

/// Kills descendants, and processes that they start meanwhile.
pub(crate) fn kill(which: Descendants) {
    let deadline = Instant::now() + KILL_TIMEOUT;
    // Require two empty lists: a process that starts or is orphaned during a listing may be missed once.
    let mut times_empty = 0;
    while times_empty < 2 && Instant::now() < deadline {
        times_empty = if live_descendants(which).is_empty() { times_empty + 1 } else { 0 };
        if times_empty == 0 {
            signal(which, Signal::KILL);
            sleep(POLL_INTERVAL);
        }
    }
}

/// Lists the live descendants, parents before their children.
fn live_descendants(which: Descendants) -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().get();
    let processes = all_processes();
    let session = processes.get(&own).map(|process| process.session);
    descendants_of(&processes, own)
        .into_iter()
        .filter_map(|number| Some((number, processes.get(&number)?)))
        .filter(|(_, process)| !process.has_ended)
        .filter(|(_, process)| which == Descendants::All || Some(process.session) == session)
        .filter_map(|(number, _)| Pid::from_raw(number))
        .collect()
}

fn descendants_of(processes: &BTreeMap<i32, Process>, ancestor: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (number, process) in processes {
        children.entry(process.parent).or_default().push(*number);
    }
    let (mut found, mut open, mut seen) = (Vec::new(), vec![ancestor], BTreeSet::from([ancestor]));
    while let Some(parent) = open.pop() {
        let new = children.get(&parent).into_iter().flatten().filter(|child| seen.insert(**child));
        let new: Vec<i32> = new.copied().collect();
        found.extend(&new);
        open.extend(&new);
    }
    found
}

/// Lists all visible processes by PID.
fn all_processes() -> BTreeMap<i32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = numbers.filter_map(|number: i32| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        Some((number, parse_stat(&stat)?))
    });
    found.collect()
}

/// Parses state, parent and session from `/proc/PID/stat`. The name may contain spaces and parentheses.
fn parse_stat(stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let has_ended = ["Z", "X"].contains(&fields.next()?);
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { parent, session, has_ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_parsed_whatever_the_process_name() {
        let read = |line: &str| parse_stat(line).map(|found| (found.parent, found.session, found.has_ended));
        assert_eq!(read("7 (sh) S 1 7 5 0 -1"), Some((1, 5, false)));
        assert_eq!(read("7 (a) Z 9 9) Z 2 7 7 0"), Some((2, 7, true)));
        assert_eq!(read("7 (sh"), None);
    }

    #[test]
    fn descendants_include_all_generations() {
        let child_of = |parent| Process { parent, session: 1, has_ended: false };
        let processes = BTreeMap::from([
            (1, child_of(0)),
            (2, child_of(1)),
            (3, child_of(2)),
            (4, child_of(1)),
            (5, child_of(3)),
            (6, child_of(6)),
        ]);
        let mut found = descendants_of(&processes, 2);
        found.sort_unstable();
        assert_eq!(found, [3, 5]);
    }
}
