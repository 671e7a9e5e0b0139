//! Redis server of several hosts: lets them start together, and measures its scripts.
//! `workload` starts the hosts.

use crate::workload::{Host, HostEvent, Workload};
use cascade_host_tests::Redis;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Maximum time for a host to reach the run.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// Script that sums up the slow log by verbs of the step: number of script calls, and their microseconds.
const SPENT: &str = "
local calls, spent = {}, {}
for _, entry in ipairs(redis.call('SLOWLOG', 'GET', -1)) do
  local words = entry[4]
  if words[1] == 'EVALSHA' then
    local verb = words[4 + (tonumber(words[3]) or 0)] or ''
    if not string.match(verb, '^%l+$') then verb = 'other' end
    calls[verb], spent[verb] = (calls[verb] or 0) + 1, (spent[verb] or 0) + entry[3]
  end
end
return {calls.commit or 0, spent.commit or 0}
";

/// Server time of the commits of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commits {
    /// Number of commits.
    pub(crate) calls: u32,
    /// Total time of the script.
    pub(crate) script: Duration,
}

/// Starts a server that logs the time of each command.
pub(crate) fn start_with_slowlog() -> Redis {
    Redis::start("slowlog-log-slower-than 0\nslowlog-max-len 1000000")
}

/// Lets `hosts` processes work on one run until it has ended. They are paused at the server until all have connected.
/// `uri` is the address of the server. Returns the events of each host.
pub(crate) fn run_hosts(
    server: &Redis,
    workload: &Workload,
    uri: &str,
    hosts: u32,
    jobs: u32,
) -> Vec<Vec<HostEvent>> {
    server.command(&["FLUSHALL"]);
    server.command(&["SLOWLOG", "RESET"]);
    server.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let started: Vec<Host> =
        (0..hosts).map(|host| workload.start(&format!("h{host}"), "bench", uri, jobs)).collect();
    let since = Instant::now();
    while info(server, "clients", "blocked_clients") < u64::from(hosts) {
        assert!(since.elapsed() < MAX_WAIT, "not all hosts have connected");
        sleep(Duration::from_millis(2));
    }
    server.command(&["CLIENT", "UNPAUSE"]);
    started.into_iter().map(Host::finish).collect()
}

/// Returns the commits since the start of the last run.
pub(crate) fn commits(server: &Redis) -> Commits {
    let events = server.command(&["EVAL", SPENT, "0"]);
    let mut numbers = events.lines().map(|number| number.parse::<u64>().expect("a number"));
    let calls = u32::try_from(numbers.next().unwrap_or_default()).expect("a run has fewer");
    Commits { calls, script: Duration::from_micros(numbers.next().unwrap_or_default()) }
}

/// Returns a number of `INFO`.
pub(crate) fn info(server: &Redis, section: &str, name: &str) -> u64 {
    let events = server.command(&["INFO", section]);
    let field = events.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.expect("the server reports it").trim().parse().expect("a number")
}
