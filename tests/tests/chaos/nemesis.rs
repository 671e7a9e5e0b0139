//! Applies a schedule of faults to the hosts and the server of one run, until the run ends.
//! `checker` checks the invariants afterwards.

use crate::client::{Client, Reply, command};
use crate::fleet::{Fleet, RUN};
use crate::records::Ledger;
use crate::schedule::{Fault, Schedule, ScheduledFault};
use cascade_host_tests::Redis;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Maximum time of a run; a longer one hangs.
const RUN_TIMEOUT: Duration = Duration::from_mins(5);

/// Interval between two checks of the progress.
const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// Settings with which a server loses nothing.
const DURABLE: &str =
    "appendonly yes\nappendfsync always\nbusy-reply-threshold 50\nrepl-diskless-sync-delay 0\n";

/// The servers of a run: the master, and its replacement.
pub(crate) struct Servers {
    password: String,
    master: Redis,
    replica: Option<Redis>,
    port: Arc<AtomicU16>,
    client: Option<Client>,
}

impl Servers {
    /// Starts a master.
    pub(crate) fn start(password: &str) -> Self {
        let master = Redis::start_with_login(&lines(password), "default", password);
        let port = Arc::new(AtomicU16::new(master.port()));
        Self { password: password.to_owned(), master, replica: None, port, client: None }
    }

    /// Adds a replica that may replace the master.
    pub(crate) fn add_replica(&mut self) {
        let replica = Redis::start_with_login(&lines(&self.password), "default", &self.password);
        // By command and not by configuration, so that the replica restarts as a master.
        replica.command(&["REPLICAOF", "127.0.0.1", &self.master.port().to_string()]);
        wait_for_link(&replica);
        self.replica = Some(replica);
    }

    /// Returns the port of the current master, which is updated on failover.
    pub(crate) fn port(&self) -> &Arc<AtomicU16> {
        &self.port
    }

    /// Returns a connection to the master.
    pub(crate) fn client(&mut self) -> Option<&mut Client> {
        if self.client.is_none() {
            self.client = Client::connect(self.master.port(), &self.password);
        }
        self.client.as_mut()
    }

    /// Returns the number of results; `None` if the server does not answer.
    fn results(&mut self) -> Option<u32> {
        let key = format!("cascade:run:{RUN}:results");
        let results = self.client().and_then(|client| client.number(&["HLEN", &key]));
        if results.is_none() {
            self.client = None;
        }
        results.and_then(|results| u32::try_from(results).ok())
    }

    /// Returns whether the run goes on, according to the server.
    fn is_unfinished(&mut self) -> bool {
        let key = format!("cascade:run:{RUN}:meta");
        let state = self.client().and_then(|client| client.ask(&["HGET", &key, "state"]));
        matches!(state, Some(Reply::Bytes(state)) if state == b"running")
    }

    /// Sends a command to the master, and returns whether it succeeded.
    fn send(&mut self, words: &[&str]) -> bool {
        let answer = self.client().and_then(|client| client.ask(words));
        if answer.is_none() {
            self.client = None;
        }
        !matches!(answer, None | Some(Reply::Error(_)))
    }

    /// Sends a command without waiting for the reply.
    fn send_without_reply(&self, words: &[&str]) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.master.port())) else { return };
        let request = [command(&["AUTH", &self.password]), command(words)].concat();
        drop(stream.write_all(&request));
        // Stay connected for a moment, so that the script starts before the connection closes.
        std::thread::sleep(Duration::from_millis(20));
    }

    fn fail_over(&mut self, missed: Duration) {
        let Some(replica) = self.replica.take() else { return };
        wait_for_link(&replica);
        replica.command(&["REPLICAOF", "NO", "ONE"]);
        std::thread::sleep(missed);
        self.master = replica;
        self.client = None;
        self.port.store(self.master.port(), Ordering::SeqCst);
    }
}

fn lines(password: &str) -> String {
    format!("requirepass {password}\nmasterauth {password}\n{DURABLE}")
}

/// Waits until a replica has caught up. After a restart of either side, that takes a while.
fn wait_for_link(replica: &Redis) {
    let since = Instant::now();
    let is_up = || replica.command(&["INFO", "replication"]).contains("master_link_status:up");
    while !is_up() && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A pending reversal of a fault.
struct Undo {
    at: Instant,
    words: &'static [&'static str],
}

/// A run under a schedule.
pub(crate) struct Nemesis<'a, 'p> {
    pub(crate) servers: &'a mut Servers,
    pub(crate) fleet: &'a mut Fleet<'p>,
    undo: Vec<Undo>,
    /// The applied faults, for the report.
    pub(crate) history: Vec<String>,
    started: Instant,
}

impl<'a, 'p> Nemesis<'a, 'p> {
    /// Creates a nemesis for these servers and hosts.
    pub(crate) fn new(servers: &'a mut Servers, fleet: &'a mut Fleet<'p>) -> Self {
        Self { servers, fleet, undo: Vec::new(), history: Vec::new(), started: Instant::now() }
    }

    /// Applies a schedule at its times until all hosts have ended; `total` is the final number of results. Fails if
    /// the hosts hang, or end with a wrong code.
    pub(crate) fn run(&mut self, schedule: &Schedule, total: u32) -> Result<(), String> {
        let mut faults = schedule.faults.iter().peekable();
        loop {
            if self.fleet.is_done() {
                if !schedule.is_lossy || !self.servers.is_unfinished() {
                    break;
                }
                // All hosts have ended, but the server has lost their last data since: the next host finds and
                // repairs that.
                self.history
                    .push(format!("{:?} all hosts have ended; one is restarted", self.started.elapsed()));
                self.fleet.restart(0);
            }
            self.fleet.poll()?;
            self.undo_due();
            if let Some(results) = self.servers.results() {
                let reached = results * 1000 / total.max(1);
                if let Some(scheduled) = faults.next_if(|scheduled| scheduled.at <= reached) {
                    self.apply(scheduled, reached);
                }
            }
            if self.started.elapsed() > RUN_TIMEOUT {
                return Err(format!("the run has not ended within {RUN_TIMEOUT:?}"));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let left = faults.count();
        self.history.push(format!(
            "{:?} all hosts have ended; {left} faults were not applied",
            self.started.elapsed()
        ));
        Ok(())
    }

    fn apply(&mut self, scheduled: &ScheduledFault, reached: u32) {
        self.history.push(format!(
            "{:?} at {reached} of 1000: {:?}",
            self.started.elapsed(),
            scheduled.fault
        ));
        match &scheduled.fault {
            Fault::Kill { host, back } => self.fleet.kill(*host, *back),
            Fault::KillAll { back } => self.fleet.kill_all(*back),
            Fault::Pause { host, time } => self.fleet.pause(*host, *time),
            Fault::Interrupt { host } => self.fleet.interrupt(*host),
            Fault::Cut { host, way, bytes } => self.fleet.wire(*host).cut_after(*way, *bytes),
            Fault::Hold { host, time } => self.fleet.wire(*host).hold(*time),
            Fault::Partition { host, time } => self.fleet.wire(*host).partition(*time),
            Fault::Duplicate { host, pieces, later } => self.fleet.wire(*host).duplicate(*pieces, *later),
            Fault::ClientKill => {
                self.servers.send(&["CLIENT", "KILL", "TYPE", "normal"]);
            }
            Fault::Restart { back } => {
                self.servers.master.kill();
                std::thread::sleep(*back);
                self.servers.master.run();
                self.servers.client = None;
            }
            Fault::Flush => {
                self.servers.send(&["SCRIPT", "FLUSH"]);
            }
            Fault::Full { time } => {
                self.servers.send(&["CONFIG", "SET", "maxmemory", "1"]);
                self.later(*time, &["CONFIG", "SET", "maxmemory", "0"]);
            }
            Fault::Busy { time } => {
                let until = time.as_micros().to_string();
                self.servers.send_without_reply(&["EVAL", BUSY, "0", &until]);
            }
            Fault::ReadOnly { time } => {
                self.servers.send(&["REPLICAOF", "127.0.0.1", "1"]);
                self.later(*time, &["REPLICAOF", "NO", "ONE"]);
            }
            Fault::FailOver { missed } => {
                self.servers.fail_over(*missed);
                self.fleet.cut_all();
            }
            Fault::Evict { key } => {
                self.servers.send(&["UNLINK", &format!("cascade:run:{RUN}:{key}")]);
            }
        }
    }

    fn later(&mut self, time: Duration, words: &'static [&'static str]) {
        self.undo.push(Undo { at: Instant::now() + time, words });
    }

    /// Reverts faults whose time is over.
    fn undo_due(&mut self) {
        let now = Instant::now();
        // If the server is down or busy, try again later.
        let servers = &mut *self.servers;
        self.undo.retain(|undo| undo.at > now || !servers.send(undo.words));
    }

    /// Returns the content of the server, for the report.
    pub(crate) fn state(&mut self) -> String {
        let mut state = String::new();
        let key = |name: &str| format!("cascade:run:{RUN}:{name}");
        let Some(client) = self.servers.client() else { return "the server does not answer".to_owned() };
        for (name, value) in Ledger::read(client, RUN).meta {
            if name != "record" {
                state.push_str(&format!("{name} {value}, "));
            }
        }
        state.push_str(&format!("\ncoord: {}\n", shown(client.ask(&["HKEYS", &key("coord")]))));
        for name in ["ready", "times", "hosts"] {
            let answer = client.ask(&["ZRANGE", &key(name), "0", "9", "WITHSCORES"]);
            state.push_str(&format!("{name}: {}\n", shown(answer)));
        }
        state
    }
}

/// A foreign script.
const BUSY: &str = "local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end \
    local till = now() + tonumber(ARGV[1]) while now() < till do end";

fn shown(answer: Option<Reply>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Reply::Nothing) => "nothing".to_owned(),
        Some(Reply::Bytes(bytes)) => bytes.escape_ascii().to_string(),
        Some(Reply::Number(number)) => number.to_string(),
        Some(Reply::Error(error)) => error,
        Some(Reply::List(parts)) => {
            let parts: Vec<String> = parts.into_iter().take(40).map(|part| shown(Some(part))).collect();
            parts.join(" ")
        }
    }
}
