//! Opens a run: a host inspects what is stored, then joins the current life or begins a new one.
//! Working on the run is left to `session.rs`.

use crate::model::{FailurePolicy, Random, RunStatus, TaskIdx};
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::{Answer, Command, Link, Request};
use crate::state::redis::run::begin::{Beginning, millis, read_policy};
use crate::state::redis::run::clocks;
use crate::state::redis::run::clocks::Spent;
use crate::state::redis::run::ending::Ending;
use crate::state::redis::run::layout::{Kept, Layout, Stored, done, kept, takeovers};
use crate::state::redis::run::offers::{Calls, Names, SetAside};
use crate::state::redis::run::wire::amounts_text;
use crate::state::redis::scripts::{INSPECT, SET_ASIDE, STEP};
use crate::state::{Error, ErrorKind, HostId, Mode, NodeId, OpenKind, OpenRequest, Rerun, Version};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// Maximum number of attempts while other hosts are faster.
const MAX_ROUNDS: u32 = 100;

/// Pause before a run is inspected again whose plan was lost, and the maximum time to wait for the hosts that work on it.
/// A host without anything to commit finds the loss by its heartbeat.
const LOSS_PAUSE: Duration = Duration::from_millis(50);
const MAX_LOSS_WAIT: Duration = Duration::from_secs(30);
/// Most nodes whose results are set aside in one step, so that the server answers others in between.
const MAX_SET_ASIDE: usize = 500;

/// Entries of the list of calls that are read at once. Each has up to a thousand nodes.
const CALLS_PAGE: usize = 100;

/// One host's attempt to open a run.
pub(crate) struct Open<'a> {
    pub(crate) link: &'a Link,
    pub(crate) keys: &'a RunKeys,
    pub(crate) request: &'a OpenRequest,
    pub(crate) why: OpenReason<'a>,
}

/// Why a run is opened.
pub(crate) enum OpenReason<'a> {
    /// The user asked for it.
    NeededGrant,
    /// The life that the host worked on has ended or was lost.
    Lost {
        /// The name of that life.
        life: &'a str,
        /// The epoch of that life.
        epoch: u64,
        /// The last version that the host has seen.
        version: Version,
    },
}

/// The life of a run that a host works on.
#[derive(Debug, Clone)]
pub(crate) struct Entered {
    pub(crate) life: String,
    pub(crate) epoch: u64,
    pub(crate) policy: FailurePolicy,
    pub(crate) version: Version,
    pub(crate) kind: OpenKind,
    pub(crate) stored: Vec<TaskIdx>,
    pub(crate) rerun: Vec<NodeId>,
    pub(crate) results: u64,
}

/// The state in which a run was found.
enum Found {
    Life {
        life: String,
        epoch: u64,
        policy: FailurePolicy,
        version: u64,
        rerun: String,
    },
    Vacant(Vacancy),
    /// The plan was lost, and hosts that will find that out work on the run.
    Lost,
}

/// A run without a current life, and the remains of the last one.
struct Vacancy {
    life: String,
    epoch: u64,
    is_same: bool,
    results: u64,
    version: u64,
    /// Names of the nodes that run again since the run last succeeded.
    rerun: String,
    /// The ending of the last life, and its state; none if it had none, or has lost data since.
    ending: Option<(RunStatus, RunStatus)>,
}

impl Open<'_> {
    /// Joins the current life of the run, or begins a new one.
    pub(crate) async fn open_run(&self) -> Result<Entered, Error> {
        self.remove_dead_hosts().await?;
        let own = format!("{}:{:016x}", self.request.host.0, Random::from_system().next_u64());
        let until = Instant::now() + MAX_LOSS_WAIT;
        let mut round = 0;
        while round < MAX_ROUNDS {
            let entered = match self.inspect(&own).await? {
                // Another host may be faster after the inspection. Then nothing was written, and this host inspects
                // again.
                Found::Life { life, epoch, policy, version, rerun } => {
                    let rerun = Rerun::of_names(&self.request.shape, rerun.lines()).nodes();
                    Some(Entered { rerun, ..self.join(life, epoch, policy, version).await? })
                }
                Found::Vacant(Vacancy { life, .. }) if life.is_empty() && self.discards() => {
                    return Err(Error::new(ErrorKind::NoRun, self.doing("running nodes again of")));
                }
                Found::Vacant(vacancy) => self.create_life(&vacancy, &own).await?,
                Found::Lost if Instant::now() < until => {
                    tokio::time::sleep(LOSS_PAUSE).await;
                    continue;
                }
                Found::Lost => return Err(self.stray()),
            };
            match entered {
                Some(entered) => return Ok(entered),
                None => tokio::time::sleep(Duration::from_millis(u64::from(round.min(20)))).await,
            }
            round += 1;
        }
        Err(Error::new(ErrorKind::Unavailable, self.doing("opening"))
            .hint("Other hosts keep restarting the run."))
    }

    /// Removes hosts that are known to be dead on this machine, and breaks their claims. Their nodes are handed out
    /// again at once, whether or not other hosts work on the run.
    async fn remove_dead_hosts(&self) -> Result<(), Error> {
        let hosts = Command::new("ZRANGE").arg(self.keys.key("hosts")).arg("0").arg("-1");
        let life = Command::new("HGET").arg(self.keys.key("meta")).arg("life");
        let doing = self.doing("opening");
        let Ok(answers) = self.link.ask(&doing, Request::read([hosts, life])).await else {
            return Ok(()); // the inspection that follows reports faults of the keys
        };
        let mut answers = answers.into_iter();
        let hosts = answers.next().map(Answer::list).unwrap_or_default().into_iter();
        let hosts = hosts.map(|host| HostId(text(Some(host)).into()));
        let gone: Vec<HostId> =
            hosts.filter(|host| !host.0.is_empty() && (self.request.is_gone)(host)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let names = || gone.iter().map(|host| host.0.as_bytes());
        let removal = Command::script(&STEP, self.keys.all())
            .arg("remove_dead_hosts")
            .arg(self.request.host.0.as_bytes())
            .arg(text(answers.next()))
            .arg(millis(self.request.lease))
            .args(names());
        // A run with lost data refuses steps. Removing the hosts still spares others the wait for their leases.
        let remove = Command::new("ZREM").arg(self.keys.key("hosts")).args(names());
        self.link.ask(&doing, Request::write([removal, remove])).await.map(drop)
    }

    /// Returns whether this opening discards the results of nodes that run again.
    fn discards(&self) -> bool {
        let is_asked =
            matches!((&self.why, self.request.mode), (OpenReason::NeededGrant, Mode::Resume | Mode::Update));
        is_asked && !self.request.rerun.is_empty()
    }

    /// Returns the nodes that run again in a new life, with those of the life before it.
    fn rerun(&self, before: &str) -> Rerun {
        let before = Rerun::of_names(&self.request.shape, before.lines());
        before.with(self.request.rerun.iter().copied())
    }

    fn doing(&self, action: &str) -> String {
        format!("{action} run `{}`", self.request.run)
    }

    /// Inspects the run. `own` is the life that this host would begin, or has begun if that reply was lost.
    async fn inspect(&self, own: &str) -> Result<Found, Error> {
        let (mode, lost, seen) = match (&self.why, self.request.mode) {
            (OpenReason::Lost { life, version, .. }, _) => ("rebuild", *life, version.0),
            (OpenReason::NeededGrant, Mode::Resume) => ("resume", "", 0),
            (OpenReason::NeededGrant, Mode::Update) => ("update", "", 0),
            (OpenReason::NeededGrant, Mode::Fresh) => ("fresh", "", 0),
        };
        let command = Command::script(&INSPECT, self.keys.all())
            .arg(mode)
            .arg(self.request.digest.to_string())
            .arg(self.request.host.0.as_bytes())
            .arg(millis(self.request.lease))
            .arg(lost)
            .arg(own)
            .arg(seen.to_string())
            .arg(amounts_text(&self.request.shape.amounts()))
            .arg(if self.discards() { "rerun" } else { "" });
        let answers = self.link.ask(&self.doing("opening"), Request::write([command])).await?;
        self.found(answers)
    }

    fn found(&self, answers: Vec<Answer>) -> Result<Found, Error> {
        let mut parts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
        let word = text(parts.next());
        match word.as_str() {
            "JOIN" => Ok(Found::Life {
                life: text(parts.next()),
                epoch: number(parts.next()),
                policy: read_policy(&text(parts.next())),
                version: number(parts.next()),
                rerun: text(parts.next()),
            }),
            "BEGIN" => Ok(Found::Vacant(Vacancy {
                life: text(parts.next()),
                epoch: number(parts.next()),
                is_same: number(parts.next()) == 1,
                results: number(parts.next()),
                version: number(parts.next()),
                rerun: text(parts.next()),
                ending: status(parts.next()).zip(status(parts.next())),
            })),
            "OTHER" => Err(self.other(parts.next().and_then(Answer::bytes).unwrap_or_default())),
            "HELD" => Err(Error::new(
                ErrorKind::Held,
                format!("{}, which another host works on", self.doing("opening")),
            )
            .hint("Cancel the run or wait until it has ended, then try again.")),
            "REMOVED" => {
                Err(Error::new(ErrorKind::NoRun, format!("{}, which was removed", self.doing("working on")))
                    .hint("The run was removed while this host worked on it; nothing of it is kept."))
            }
            "LOST" => Ok(Found::Lost),
            "STRAY" => Err(self.stray()),
            "LAYOUT" => Err(self.other_layout()),
            "FOREIGN" => {
                let (key, kind) = (text(parts.next()), text(parts.next()));
                Err(Error::new(
                    ErrorKind::Refused,
                    format!("{}: `{key}` is a {kind} of another program", self.doing("opening")),
                )
                .hint("Another program uses the key; choose another run id."))
            }
            // No script replies with anything else.
            _ => Err(Error::new(
                ErrorKind::Refused,
                format!("{}: the server's reply is invalid", self.doing("opening")),
            )), // unknown word
        }
    }

    fn stray(&self) -> Error {
        let doing = format!("{}, which has results but no plan", self.doing("opening"));
        Error::new(ErrorKind::Refused, doing).hint("Pass `--fresh` to start over, or choose another run id.")
    }

    fn other(&self, record: Bytes) -> Error {
        Error::new(
            ErrorKind::OtherDigest(record),
            format!("{}, which exists with another plan", self.doing("opening")),
        )
        .hint("Pass `--update` to keep what is unchanged, `--fresh` to start over, or another run id.")
    }

    /// Returns the error for a run that was written by another version of the program.
    pub(crate) fn other_layout(&self) -> Error {
        Error::new(ErrorKind::Refused, format!("{}, which another version wrote", self.doing("opening")))
            .hint("Use the version of cascade-host that created it, or another run id.")
    }

    async fn join(
        &self,
        life: String,
        epoch: u64,
        policy: FailurePolicy,
        version: u64,
    ) -> Result<Entered, Error> {
        let commands = [
            Command::new("GET").arg(self.keys.key("tasks")),
            Command::new("HLEN").arg(self.keys.key("results")),
        ];
        let mut answers = self.link.ask(&self.doing("joining"), Request::read(commands)).await?.into_iter();
        let records = answers.next().and_then(Answer::bytes).unwrap_or_default();
        let stored = done(&records, &self.request.shape);
        let results = number(answers.next());
        Ok(Entered {
            life,
            epoch,
            policy,
            version: Version(version),
            kind: OpenKind::Joined,
            stored,
            rerun: Vec::new(),
            results,
        })
    }

    /// Begins a new life; none if another host was faster.
    async fn create_life(&self, vacancy: &Vacancy, life: &str) -> Result<Option<Entered>, Error> {
        let is_fresh = matches!((&self.why, self.request.mode), (OpenReason::NeededGrant, Mode::Fresh));
        // Results survive unless the run starts over. Takeovers count on only under the same plan, so that a task that
        // kills hosts is recognized after a restart.
        let is_first = vacancy.life.is_empty();
        let has_nothing = is_fresh || (is_first && vacancy.results == 0);
        let ending = if is_fresh { None } else { self.ending(vacancy).await? };
        let mut kept = if has_nothing { Kept::default() } else { self.kept(vacancy, ending).await? };
        let Some(results) = self.set_aside(vacancy, &kept.set_aside).await? else { return Ok(None) };
        let mut spent = Spent::default();
        if !is_fresh && vacancy.is_same && matches!(self.why, OpenReason::NeededGrant) {
            let records = self.records().await?;
            kept.takeovers = takeovers(&records);
            let stored = clocks::read(self.link, self.keys, &self.doing("reading")).await?;
            if let Some(stored) = stored.filter(|_| !self.discards()) {
                spent = clocks::spent(&self.request.shape, &stored, &records);
            }
            if kept.ending.is_some() {
                spent = Ending::clocks(&self.request.shape, spent);
            }
        }
        let layout = Layout::new(&self.request.shape, &kept);
        // After a loss the epoch always grows, past all that this host has seen. On request it grows with another plan.
        let (epoch, min_version) = match &self.why {
            OpenReason::Lost { epoch, version, .. } => {
                (vacancy.epoch.max(*epoch) + 1, version.0.max(vacancy.version))
            }
            OpenReason::NeededGrant => {
                let is_other = is_fresh || !vacancy.is_same || self.discards();
                (if is_first || is_other { vacancy.epoch + 1 } else { vacancy.epoch }, vacancy.version)
            }
        };
        // After a loss the request names what this host has run again in the lost life.
        let rerun = if is_fresh { Rerun::default() } else { self.rerun(&vacancy.rerun) };
        let beginning = Beginning {
            request: self.request,
            old_life: &vacancy.life,
            results,
            is_fresh,
            checks_hosts: matches!(self.why, OpenReason::NeededGrant),
            life,
            epoch,
            min_version,
            layout: &layout,
            rerun: &rerun,
            spent: &spent,
            kept: &kept,
        };
        let command = beginning.command(self.keys);
        let answers = self.link.ask(&self.doing("beginning"), Request::write([command])).await?;
        let mut parts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
        if text(parts.next()) != "OK" {
            return Ok(None);
        }
        let (version, results) = (Version(number(parts.next())), number(parts.next()));
        let kind = if is_fresh || is_first {
            OpenKind::Created
        } else {
            OpenKind::Resumed { kept: u32::try_from(layout.stored.len()).unwrap_or(u32::MAX) }
        };
        Ok(Some(Entered {
            life: life.to_owned(),
            epoch,
            policy: self.request.policy,
            version,
            kind,
            stored: layout.stored,
            rerun: rerun.nodes(),
            results,
        }))
    }

    /// Returns the ending with which a life goes on after the last one.
    async fn ending(&self, vacancy: &Vacancy) -> Result<Option<Ending>, Error> {
        let is_asked = matches!(self.why, OpenReason::NeededGrant) && !self.discards();
        let Some(found) = vacancy.ending.filter(|_| is_asked) else { return Ok(None) };
        Ok(Ending::resumed(found, &self.records().await?, &self.request.shape))
    }

    /// Reads the records of the last life. A task that crashes hosts does so after a restart too.
    async fn records(&self) -> Result<Bytes, Error> {
        let command = Command::new("GET").arg(self.keys.key("tasks"));
        let answers = self.link.ask(&self.doing("reading"), Request::read([command])).await?;
        Ok(answers.into_iter().next().and_then(Answer::bytes).unwrap_or_default())
    }

    /// Returns which stored results are valid under this plan.
    async fn kept(&self, vacancy: &Vacancy, ending: Option<Ending>) -> Result<Kept, Error> {
        let commands = [
            Command::new("HKEYS").arg(self.keys.key("results")),
            Command::new("HKEYS").arg(self.keys.key("offers")),
            Command::new("GET").arg(self.keys.key("prints")),
        ];
        let mut answers = self.link.ask(&self.doing("reading"), Request::read(commands)).await?.into_iter();
        let (fields, offers) = (texts(answers.next()), texts(answers.next()));
        let names = Names::new(&self.request.shape);
        let rerun = self.request.rerun.iter().copied().filter(|_| self.discards());
        // Another ending needs other results of finally tasks.
        let finally = self.request.shape.finally().map(NodeId::of_task).filter(|_| ending.is_none());
        let rerun = Rerun::new(rerun.chain(finally));
        let (mut discarded, fields) = names.split(fields, &rerun);
        let (withdrawn, offers) = names.split(offers, &rerun);
        let prints = answers.next().and_then(Answer::bytes).unwrap_or_default();
        // After a loss the stored plan is known: it was this host's own.
        let is_same = vacancy.is_same || matches!(self.why, OpenReason::Lost { .. });
        let stored = if is_same { Stored::Same } else { Stored::Other(&prints) };
        let mut kept = kept(&self.request.shape, &fields, &stored);
        kept.offered = names.offered(&offers);
        if !is_same {
            let calls = self.calls(&names, &prints).await?;
            (kept.set_aside, kept.stale) = names.set_aside(std::mem::take(&mut kept.stale), &calls.nodes);
            kept.calls = Some(calls.unchanged());
            let set_aside: Vec<String> = kept.set_aside.iter().map(|of| of.name.clone()).collect();
            kept.offered.extend(names.offered(&set_aside));
        }
        kept.ending = ending;
        kept.stale.append(&mut discarded);
        kept.stale.extend(withdrawn);
        Ok(kept)
    }

    /// Reads which calls the stored results are of, if they are numbered as the stored plan is.
    async fn calls<'n>(&self, names: &'n Names<'n>, prints: &[u8]) -> Result<Calls<'n>, Error> {
        let mut calls = Calls::new(names, prints);
        let digest = Command::new("HGET").arg(self.keys.key("meta")).arg("digest");
        let mut answers = self.link.ask(&self.doing("reading"), Request::read([digest])).await?.into_iter();
        let digest = text(answers.next());
        for from in (0..).step_by(CALLS_PAGE) {
            let page = Command::new("LRANGE").arg(self.keys.key("calls")).arg(from.to_string());
            let page = page.arg((from + CALLS_PAGE - 1).to_string());
            let answers = self.link.ask(&self.doing("reading"), Request::read([page])).await?;
            let page = answers.into_iter().next().map(Answer::list).unwrap_or_default();
            let entries: Vec<Bytes> = page.into_iter().filter_map(Answer::bytes).collect();
            // The first entry is the digest of the plan. An earlier version of the program leaves the list as it is.
            if from == 0 && entries.first().is_none_or(|plan| **plan != *digest.as_bytes()) {
                break;
            }
            entries.iter().skip(usize::from(from == 0)).for_each(|entry| calls.add(entry));
            if entries.len() < CALLS_PAGE {
                break;
            }
        }
        Ok(calls)
    }

    /// Sets results aside, a page at a time. Returns how many are left; none if another host was faster.
    ///
    /// A host that dies in between has lost nothing: whatever the plan of the next life, its nodes are offered them.
    async fn set_aside(&self, vacancy: &Vacancy, nodes: &[SetAside]) -> Result<Option<u64>, Error> {
        let mut left = vacancy.results;
        for page in nodes.chunks(MAX_SET_ASIDE) {
            let mut command = Command::script(&SET_ASIDE, self.keys.all()).arg(&vacancy.life);
            for node in page {
                command = command.arg(&node.name).arg(node.head());
                for iteration in &node.iterations {
                    command = command.arg(iteration).arg("");
                }
            }
            let answers = self.link.ask(&self.doing("updating"), Request::write([command])).await?;
            let mut parts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
            if text(parts.next()) != "OK" {
                return Ok(None);
            }
            left = number(parts.next());
        }
        Ok(Some(left))
    }
}

fn status(answer: Option<Answer>) -> Option<RunStatus> {
    let word = text(answer);
    RunStatus::ALL.into_iter().find(|status| status.as_str() == word)
}

fn text(answer: Option<Answer>) -> String {
    let bytes = answer.and_then(Answer::bytes).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn texts(answer: Option<Answer>) -> Vec<String> {
    let list = answer.map(Answer::list).unwrap_or_default().into_iter();
    list.map(|field| text(Some(field))).collect()
}

fn number(answer: Option<Answer>) -> u64 {
    answer.and_then(|answer| answer.number()).and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}
