//! A Redis under several hosts: it lets them begin together, and tells how long its scripts took.
//! Runs of hosts are for `site`.

use crate::site::{Happened, Host, Site};
use cascade_host_tests::Redis;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// No host takes longer to come to a run.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sums up, by verbs of the step and by nothing else: how often scripts were called, and their microseconds. Those
/// that have no verb come last.
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

/// What the commits of a run took of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commits {
    /// How many there were.
    pub(crate) calls: u32,
    /// How long the script ran for all of them.
    pub(crate) script: Duration,
}

/// A server that takes down how long each command took.
pub(crate) fn measuring() -> Redis {
    Redis::start("slowlog-log-slower-than 0\nslowlog-max-len 1000000")
}

/// Lets `hosts` processes work on one run until it has ended: they are held where they come to the server until all are
/// there. `uri` is where they find it. Gives what each told.
pub(crate) fn together(server: &Redis, site: &Site, uri: &str, hosts: u32, jobs: u32) -> Vec<Vec<Happened>> {
    server.command(&["FLUSHALL"]);
    server.command(&["SLOWLOG", "RESET"]);
    server.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let started: Vec<Host> =
        (0..hosts).map(|host| site.start(&format!("h{host}"), "bench", uri, jobs)).collect();
    let since = Instant::now();
    while info(server, "clients", "blocked_clients") < u64::from(hosts) {
        assert!(since.elapsed() < PATIENCE, "not all hosts have come");
        sleep(Duration::from_millis(2));
    }
    server.command(&["CLIENT", "UNPAUSE"]);
    started.into_iter().map(Host::finish).collect()
}

/// What the commits took since the last run began.
pub(crate) fn commits(server: &Redis) -> Commits {
    let told = server.command(&["EVAL", SPENT, "0"]);
    let mut numbers = told.lines().map(|number| number.parse::<u64>().expect("a number"));
    let calls = u32::try_from(numbers.next().unwrap_or_default()).expect("a run has fewer");
    Commits { calls, script: Duration::from_micros(numbers.next().unwrap_or_default()) }
}

/// A number of `INFO`.
pub(crate) fn info(server: &Redis, section: &str, name: &str) -> u64 {
    let told = server.command(&["INFO", section]);
    let field = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.expect("the server tells it").trim().parse().expect("a number")
}
