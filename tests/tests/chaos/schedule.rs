//! The schedule of a seed: which faults strike a run, and at which progress.
//! `nemesis` applies it.

use crate::random::Random;
use crate::wire::Way;
use std::time::Duration;

/// A fault, and the progress at which it strikes, in thousandths of the results.
#[derive(Debug, Clone)]
pub(crate) struct ScheduledFault {
    pub(crate) at: u32,
    pub(crate) fault: Fault,
}

/// A fault. Hosts are counted from 0.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A host is killed, and replaced later.
    Kill { host: usize, back: Duration },
    /// All hosts are killed.
    KillAll { back: Duration },
    /// A host is paused, possibly beyond its lease.
    Pause { host: usize, time: Duration },
    /// A host is interrupted, and replaced.
    Interrupt { host: usize },
    /// A host's connections are cut after this many bytes.
    Cut { host: usize, way: Way, bytes: u32 },
    /// Nothing passes between a host and the server for a while.
    Hold { host: usize, time: Duration },
    /// Nothing passes for a while, then the host's connections are cut.
    Partition { host: usize, time: Duration },
    /// The host's next requests are sent twice.
    Duplicate { host: usize, pieces: u32, later: Duration },
    /// The server cuts all connections.
    ClientKill,
    /// The server is killed, and restarted with its file.
    Restart { back: Duration },
    /// The server forgets its scripts.
    Flush,
    /// The server is out of memory for a while.
    Full { time: Duration },
    /// The server is busy for a while.
    Busy { time: Duration },
    /// The server is read-only for a while.
    ReadOnly { time: Duration },
    /// A replica that has missed writes for a while replaces the server.
    FailOver { missed: Duration },
    /// A key of the run is evicted.
    Evict { key: &'static str },
}

/// All faults of a run.
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) faults: Vec<ScheduledFault>,
    pub(crate) hosts: usize,
    /// Whether the server loses data.
    pub(crate) is_lossy: bool,
}

impl Schedule {
    /// Creates the schedule of a seed. Every fourth loses data; each has its emphasis.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, "schedule");
        let is_lossy = seed % 4 == 3;
        let hosts = random.within(2, 4) as usize;
        let mut faults: Vec<ScheduledFault> = (0..random.within(5, 10))
            .map(|_| {
                let emphasis = if random.percent(70) { seed % 4 } else { u64::from(random.within(0, 2)) };
                let fault = match emphasis {
                    0 => process_fault(&mut random, hosts),
                    1 => network_fault(&mut random, hosts),
                    2 => server_fault(&mut random),
                    _ => data_fault(&mut random),
                };
                ScheduledFault { at: random.within(20, 950), fault }
            })
            .collect();
        if is_lossy && !faults.iter().any(|scheduled| matches!(scheduled.fault, Fault::FailOver { .. })) {
            let missed = milliseconds(&mut random, 50, 400);
            faults.push(ScheduledFault { at: random.within(100, 800), fault: Fault::FailOver { missed } });
        }
        // At most one failover: there is one replica.
        let mut has_failover = false;
        faults.sort_by_key(|scheduled| scheduled.at);
        faults.retain(|scheduled| {
            !matches!(scheduled.fault, Fault::FailOver { .. }) || !std::mem::replace(&mut has_failover, true)
        });
        Self { seed, faults, hosts, is_lossy }
    }
}

fn milliseconds(random: &mut Random, low: u32, high: u32) -> Duration {
    Duration::from_millis(u64::from(random.within(low, high)))
}

fn host(random: &mut Random, hosts: usize) -> usize {
    random.within(0, u32::try_from(hosts).expect("there are few") - 1) as usize
}

fn process_fault(random: &mut Random, hosts: usize) -> Fault {
    match random.within(0, 9) {
        0..=3 => Fault::Kill { host: host(random, hosts), back: milliseconds(random, 0, 1500) },
        4 => Fault::KillAll { back: milliseconds(random, 0, 1500) },
        5..=7 => Fault::Pause { host: host(random, hosts), time: milliseconds(random, 300, 2500) },
        _ => Fault::Interrupt { host: host(random, hosts) },
    }
}

fn network_fault(random: &mut Random, hosts: usize) -> Fault {
    let host = host(random, hosts);
    match random.within(0, 9) {
        0..=3 => {
            let way = *random.pick(&[Way::ToServer, Way::ToHost]);
            Fault::Cut { host, way, bytes: random.within(0, 5000) }
        }
        4 => Fault::Hold { host, time: milliseconds(random, 100, 900) },
        5..=6 => Fault::Partition { host, time: milliseconds(random, 300, 2500) },
        7..=8 => {
            let later = milliseconds(random, 0, 800);
            Fault::Duplicate { host, pieces: random.within(1, 40), later }
        }
        _ => Fault::ClientKill,
    }
}

fn server_fault(random: &mut Random) -> Fault {
    match random.within(0, 9) {
        0..=3 => Fault::Restart { back: milliseconds(random, 0, 1500) },
        4..=5 => Fault::Flush,
        6 => Fault::Full { time: milliseconds(random, 100, 1500) },
        7 => Fault::Busy { time: milliseconds(random, 100, 1500) },
        8 => Fault::ReadOnly { time: milliseconds(random, 100, 1500) },
        _ => Fault::ClientKill,
    }
}

fn data_fault(random: &mut Random) -> Fault {
    if random.percent(50) {
        return Fault::FailOver { missed: milliseconds(random, 50, 400) };
    }
    let keys = ["results", "meta", "tasks", "edges", "coord", "ready", "times", "hosts", "wake"];
    let key = random.pick(&keys);
    Fault::Evict { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_determines_the_schedule() {
        for seed in 0..50 {
            let (one, other) = (Schedule::new(seed), Schedule::new(seed));
            assert_eq!(format!("{:?}", one.faults), format!("{:?}", other.faults));
            assert!(!one.faults.is_empty());
        }
    }
}
