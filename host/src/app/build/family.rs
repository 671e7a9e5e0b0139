//! The processes that a process has started, and those that they have started, as the system lists them.
//! The supervisor decides when they end.

use rustix::process::{Pid, Signal, getpid, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often it is looked whether they have ended.
const PACE: Duration = Duration::from_millis(5);

/// How long those that are killed are waited for: one may hang in the system.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Which processes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All that descend from this process.
    All,
    /// Those of them that have not left its session, as daemons do.
    Session,
}

/// A process, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: i32,
    session: i32,
    has_ended: bool,
}

/// Sends a signal to all that are alive.
pub(crate) fn signal(reach: Reach, signal: Signal) {
    for process in alive(reach) {
        kill_process(process, signal).ok(); // it has ended meanwhile
    }
}

/// Asks them to end, and kills those that are alive after `grace`.
pub(crate) fn end(reach: Reach, grace: Duration) {
    signal(reach, Signal::TERM);
    let last = Instant::now() + grace;
    while !alive(reach).is_empty() && Instant::now() < last {
        sleep(PACE);
    }
    kill(reach);
}

/// Kills them, and whatever they start meanwhile.
pub(crate) fn kill(reach: Reach) {
    let last = Instant::now() + LAST_WAIT;
    // Twice: who is born or orphaned while it is looked may be overlooked once.
    let mut times_empty = 0;
    while times_empty < 2 && Instant::now() < last {
        times_empty = if alive(reach).is_empty() { times_empty + 1 } else { 0 };
        if times_empty == 0 {
            signal(reach, Signal::KILL);
            sleep(PACE);
        }
    }
}

/// Those that have not ended, parents before their children.
fn alive(reach: Reach) -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().get();
    let processes = all();
    let session = processes.get(&own).map(|process| process.session);
    descendants(&processes, own)
        .into_iter()
        .filter_map(|number| Some((number, processes.get(&number)?)))
        .filter(|(_, process)| !process.has_ended)
        .filter(|(_, process)| reach == Reach::All || Some(process.session) == session)
        .filter_map(|(number, _)| Pid::from_raw(number))
        .collect()
}

fn descendants(processes: &BTreeMap<i32, Process>, of: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (number, process) in processes {
        children.entry(process.parent).or_default().push(*number);
    }
    let (mut found, mut open, mut seen) = (Vec::new(), vec![of], BTreeSet::from([of]));
    while let Some(parent) = open.pop() {
        let born = children.get(&parent).into_iter().flatten().filter(|child| seen.insert(**child));
        let born: Vec<i32> = born.copied().collect();
        found.extend(&born);
        open.extend(&born);
    }
    found
}

/// All processes that this one may see, by their numbers.
fn all() -> BTreeMap<i32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = numbers.filter_map(|number: i32| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        Some((number, process(&stat)?))
    });
    found.collect()
}

/// The state, the parent and the session of a line of `/proc/N/stat`. A name may have spaces and parentheses.
fn process(stat: &str) -> Option<Process> {
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    let has_ended = ["Z", "X"].contains(&words.next()?);
    let parent = words.next()?.parse().ok()?;
    let session = words.nth(1)?.parse().ok()?;
    Some(Process { parent, session, has_ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_system_is_read_whatever_the_name() {
        let read = |line: &str| process(line).map(|found| (found.parent, found.session, found.has_ended));
        assert_eq!(read("7 (sh) S 1 7 5 0 -1"), Some((1, 5, false)));
        assert_eq!(read("7 (a) Z 9 9) Z 2 7 7 0"), Some((2, 7, true)));
        assert_eq!(read("7 (sh"), None);
    }

    #[test]
    fn whoever_descends_from_a_process_is_of_its_family() {
        let of = |parent| Process { parent, session: 1, has_ended: false };
        let processes =
            BTreeMap::from([(1, of(0)), (2, of(1)), (3, of(2)), (4, of(1)), (5, of(3)), (6, of(6))]);
        let mut found = descendants(&processes, 2);
        found.sort_unstable();
        assert_eq!(found, [3, 5]);
    }
}
