//! The schedule of a seed: which faults strike a run, and at which progress.
//! `nemesis` applies it.

use crate::chance::Chance;
use crate::wire::Way;
use std::time::Duration;

/// A fault, and the progress at which it strikes, in thousandths of the results.
#[derive(Debug, Clone)]
pub(crate) struct Blow {
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
    Part { host: usize, time: Duration },
    /// The host's next requests are sent twice.
    Twice { host: usize, pieces: u32, later: Duration },
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
    pub(crate) blows: Vec<Blow>,
    pub(crate) hosts: usize,
    /// Whether the server loses data.
    pub(crate) is_lossy: bool,
}

impl Schedule {
    /// Creates the schedule of a seed. Every fourth loses data; each has its emphasis.
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, "schedule");
        let is_lossy = seed % 4 == 3;
        let hosts = chance.within(2, 4) as usize;
        let mut blows: Vec<Blow> = (0..chance.within(5, 10))
            .map(|_| {
                let emphasis = if chance.is(70) { seed % 4 } else { u64::from(chance.within(0, 2)) };
                let fault = match emphasis {
                    0 => of_processes(&mut chance, hosts),
                    1 => of_the_network(&mut chance, hosts),
                    2 => of_the_server(&mut chance),
                    _ => of_data(&mut chance),
                };
                Blow { at: chance.within(20, 950), fault }
            })
            .collect();
        if is_lossy && !blows.iter().any(|blow| matches!(blow.fault, Fault::FailOver { .. })) {
            let missed = milliseconds(&mut chance, 50, 400);
            blows.push(Blow { at: chance.within(100, 800), fault: Fault::FailOver { missed } });
        }
        // At most one failover: there is one replica.
        let mut is_over = false;
        blows.sort_by_key(|blow| blow.at);
        blows.retain(|blow| {
            !matches!(blow.fault, Fault::FailOver { .. }) || !std::mem::replace(&mut is_over, true)
        });
        Self { blows, hosts, is_lossy }
    }
}

fn milliseconds(chance: &mut Chance, low: u32, high: u32) -> Duration {
    Duration::from_millis(u64::from(chance.within(low, high)))
}

fn host(chance: &mut Chance, hosts: usize) -> usize {
    chance.within(0, u32::try_from(hosts).expect("there are few") - 1) as usize
}

fn of_processes(chance: &mut Chance, hosts: usize) -> Fault {
    match chance.within(0, 9) {
        0..=3 => Fault::Kill { host: host(chance, hosts), back: milliseconds(chance, 0, 1500) },
        4 => Fault::KillAll { back: milliseconds(chance, 0, 1500) },
        5..=7 => Fault::Pause { host: host(chance, hosts), time: milliseconds(chance, 300, 2500) },
        _ => Fault::Interrupt { host: host(chance, hosts) },
    }
}

fn of_the_network(chance: &mut Chance, hosts: usize) -> Fault {
    let host = host(chance, hosts);
    match chance.within(0, 9) {
        0..=3 => {
            let way = *chance.pick(&[Way::ToServer, Way::ToHost]);
            Fault::Cut { host, way, bytes: chance.within(0, 5000) }
        }
        4 => Fault::Hold { host, time: milliseconds(chance, 100, 900) },
        5..=6 => Fault::Part { host, time: milliseconds(chance, 300, 2500) },
        7..=8 => {
            let later = milliseconds(chance, 0, 800);
            Fault::Twice { host, pieces: chance.within(1, 40), later }
        }
        _ => Fault::ClientKill,
    }
}

fn of_the_server(chance: &mut Chance) -> Fault {
    match chance.within(0, 9) {
        0..=3 => Fault::Restart { back: milliseconds(chance, 0, 1500) },
        4..=5 => Fault::Flush,
        6 => Fault::Full { time: milliseconds(chance, 100, 1500) },
        7 => Fault::Busy { time: milliseconds(chance, 100, 1500) },
        8 => Fault::ReadOnly { time: milliseconds(chance, 100, 1500) },
        _ => Fault::ClientKill,
    }
}

fn of_data(chance: &mut Chance) -> Fault {
    if chance.is(50) {
        return Fault::FailOver { missed: milliseconds(chance, 50, 400) };
    }
    let keys = ["results", "meta", "tasks", "edges", "coord", "ready", "times", "hosts", "wake"];
    let key = chance.pick(&keys);
    Fault::Evict { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_schedule_again() {
        for seed in 0..50 {
            let (one, other) = (Schedule::new(seed), Schedule::new(seed));
            assert_eq!(format!("{:?}", one.blows), format!("{:?}", other.blows));
            assert!(!one.blows.is_empty());
        }
    }
}
