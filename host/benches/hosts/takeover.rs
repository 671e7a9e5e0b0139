//! How soon the task of a host that was killed is taken over: by another host, and by one that is started anew.
//! Whether it is taken over at all is for the tests.

use crate::median;
use crate::site::Site;
use cascade_host_tests::Redis;
use std::thread::sleep;
use std::time::Duration;

/// Kills of each kind.
const KILLS: u32 = 9;

/// The lease, in seconds.
const LEASE: u32 = 2;

/// Rounds of a task that nobody waits for.
const ROUNDS: u64 = 100_000_000_000;

/// By a host that is there, which was not told anything.
pub(crate) fn by_another() {
    let (server, site) = (Redis::start(""), Site::burning(1, ROUNDS));
    let uri = format!("{}?lease={LEASE}s", server.uri());
    let lease = Duration::from_secs(u64::from(LEASE));
    let trials = (0..KILLS).map(|kill| {
        server.command(&["FLUSHALL"]);
        let mut one = site.start("one", "bench", &uri, 1);
        one.until("task.started");
        let other = site.start("other", "bench", &uri, 1);
        other.until("run.started");
        // The kill falls anywhere between two renewals.
        sleep(Duration::from_millis(300) + lease / 3 * kill / KILLS);
        let at = one.kill();
        since(at, other.until("task.taken_over").at)
    });
    let trials: Vec<Duration> = trials.collect();
    println!(
        "from kill -9 to the takeover by another host: {:.2} × the lease of {lease:?} (median {:.2?}, from {:.2?} to \
         {:.2?})",
        median(trials.clone()).as_secs_f64() / lease.as_secs_f64(),
        median(trials.clone()),
        trials.iter().min().copied().unwrap_or_default(),
        trials.iter().max().copied().unwrap_or_default(),
    );
}

/// By a host that is started on the same machine at once.
pub(crate) fn by_itself() {
    let (server, site) = (Redis::start(""), Site::burning(1, ROUNDS));
    let uri = format!("{}?lease={LEASE}s", server.uri());
    let trials = (0..KILLS).map(|_| {
        server.command(&["FLUSHALL"]);
        let mut one = site.start("one", "bench", &uri, 1);
        one.until("task.started");
        let at = one.kill();
        let again = site.start("again", "bench", &uri, 1);
        (since(at, again.until("task.started").at), since(at, again.until("run.resumed").at))
    });
    let (started, resumed): (Vec<Duration>, Vec<Duration>) = trials.unzip();
    let (started, resumed) = (median(started), median(resumed));
    println!(
        "from kill -9 and a start of the host anew until its task runs again: {:.3} × the lease of {LEASE} s \
         ({started:.0?}, of which {resumed:.0?} until the run is open)",
        started.as_secs_f64() / f64::from(LEASE),
    );
}

fn since(at: i64, then: i64) -> Duration {
    Duration::from_millis(u64::try_from(then - at).unwrap_or_default())
}
