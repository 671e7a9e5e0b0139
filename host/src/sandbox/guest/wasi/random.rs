//! Randomness of a guest: a stream derived from its call, or the system's if granted.
//! The stream is the same on every host and in every attempt, so that `cache` can share results.

use crate::invoke::{Call, Grants};
use crate::model::{Digest, Digester, Size, to_usize};
use crate::sandbox::guest::limits::{Deadline, LimitHit};
use crate::sandbox::guest::prepared::Prepared;
use crate::sandbox::guest::state::State;
use crate::value::{Command, Feed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::p2::bindings::random::insecure;
use wasmtime_wasi::p2::bindings::random::insecure_seed;
use wasmtime_wasi::p2::bindings::random::random;
use wasmtime_wasi::random::WasiRandomView;

/// Maximum size of one request, in bytes: the host holds all of them before the guest has any.
const MAX_REQUEST: u64 = 16 << 20;

/// Number of bytes drawn between two checks of the deadline.
const CHECK_INTERVAL: u32 = 64 << 10;

/// Random bytes of one call. Clones draw from the same stream.
#[derive(Clone)]
pub(crate) struct GuestRandom(Arc<Mutex<Draws>>); // A mutex because streams may move between threads. Each critical section is one draw.

impl GuestRandom {
    /// Creates the random stream of one call.
    pub(crate) fn for_call(prepared: &Arc<Prepared>, call: &Arc<Call>) -> Self {
        Self::new(Source::Call { prepared: Arc::clone(prepared), call: Arc::clone(call) })
    }

    /// Creates a random stream that these bytes determine.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self::new(Source::Seed(Digest::of_bytes(bytes)))
    }

    fn new(source: Source) -> Self {
        Self(Arc::new(Mutex::new(Draws { source, counter: 0, block: [0; 32], used: 32 })))
    }

    fn draws(&self) -> MutexGuard<'_, Draws> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws bytes.
    pub(crate) fn bytes(&self, len: u64, deadline: Deadline) -> wasmtime::Result<Vec<u8>> {
        let len = usize::try_from(len)?;
        let (mut bytes, mut draws) = (vec![0; len], self.draws());
        for part in bytes.chunks_mut(to_usize(CHECK_INTERVAL)) {
            deadline.check()?;
            part.fill_with(|| draws.byte());
        }
        Ok(bytes)
    }

    fn number(&self) -> u64 {
        let mut draws = self.draws();
        u64::from_le_bytes(std::array::from_fn(|_| draws.byte()))
    }

    /// Returns the seed of a guest's hash tables. WASI requires the same value throughout one call.
    fn for_tables(&self) -> (u64, u64) {
        let seed = self.draws().seed();
        let mut digester = Digester::new("cascade chance of tables 1");
        digester.digest(&seed);
        let digest = digester.finish();
        let mut bytes = digest.as_bytes().iter().copied();
        let mut number = || u64::from_le_bytes(std::array::from_fn(|_| bytes.next().unwrap_or(0)));
        (number(), number())
    }
}

/// SHA-256 in counter mode, seeded with component, function and arguments.
///
/// The seed is computed when the first byte is drawn, because most guests draw none.
struct Draws {
    source: Source,
    counter: u64,
    block: [u8; 32],
    used: usize,
}

enum Source {
    Call { prepared: Arc<Prepared>, call: Arc<Call> },
    Seed(Digest),
}

impl Draws {
    fn seed(&mut self) -> Digest {
        let seed = match &self.source {
            Source::Seed(seed) => return *seed,
            Source::Call { prepared, call } => {
                let mut digester = Digester::new("cascade chance 1");
                let interface = prepared.export.interface.as_deref().unwrap_or_default();
                let function = &prepared.export.function;
                digester.digest(&prepared.component).field(interface.as_bytes()).field(function.as_bytes());
                for arg in &call.args {
                    digester.field(arg);
                }
                if let Some(command) = &prepared.command {
                    add_shape(&mut digester, command, &prepared.grants);
                }
                digester.finish()
            }
        };
        self.source = Source::Seed(seed);
        seed
    }

    fn byte(&mut self) -> u8 {
        if self.used >= self.block.len() {
            let seed = self.seed();
            let mut digester = Digester::new("cascade chance block 1");
            digester.digest(&seed).number(self.counter);
            self.block = *digester.finish().as_bytes();
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let byte = self.block.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        byte
    }
}

/// Adds what a command is apart from its arguments: two commands with the same arguments are different calls.
fn add_shape(digester: &mut Digester, command: &Command, grants: &Grants) {
    digester.field(command.program.as_bytes()).number(u64::try_from(command.feeds.len()).unwrap_or(u64::MAX));
    for feed in &command.feeds {
        let (kind, name) = match feed {
            Feed::Arg => ("arg", ""),
            Feed::Stdin => ("stdin", ""),
            Feed::Env(name) => ("env", &**name),
            Feed::File(path) => ("file", &**path),
        };
        digester.field(kind.as_bytes()).field(name.as_bytes());
    }
    grants.args.iter().for_each(|arg| {
        digester.field(b"granted arg").field(arg.as_bytes());
    });
    for (name, value) in &grants.env {
        digester.field(b"granted env").field(name.as_bytes()).field(value.as_bytes());
    }
}

/// Fails if a guest requests more bytes at once than the host may hold for it.
fn check_len(len: u64) -> wasmtime::Result<()> {
    if len <= MAX_REQUEST {
        return Ok(());
    }
    let max = Size::bytes(MAX_REQUEST);
    Err(LimitHit::Other(format!("the guest requested {len} random bytes at once; the limit is {max}")).into())
}

/// Draws from the system's randomness in pieces, between which the deadline is checked.
fn draw_in_pieces(
    len: u64,
    deadline: Deadline,
    mut draw: impl FnMut(u64) -> wasmtime::Result<Vec<u8>>,
) -> wasmtime::Result<Vec<u8>> {
    let (mut bytes, mut remaining) = (Vec::new(), len);
    while remaining > 0 {
        deadline.check()?;
        let piece = remaining.min(CHECK_INTERVAL.into());
        bytes.extend(draw(piece)?);
        remaining -= piece;
    }
    Ok(bytes)
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        check_len(len)?;
        let deadline = self.deadline;
        match self.seeded_random() {
            Some(random) => random.bytes(len, deadline),
            None => draw_in_pieces(len, deadline, |len| self.random().get_random_bytes(len)),
        }
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        match self.seeded_random() {
            Some(random) => Ok(random.number()),
            None => self.random().get_random_u64(),
        }
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        check_len(len)?;
        let deadline = self.deadline;
        match self.seeded_random() {
            Some(random) => random.bytes(len, deadline),
            None => draw_in_pieces(len, deadline, |len| self.random().get_insecure_random_bytes(len)),
        }
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        match self.seeded_random() {
            Some(random) => Ok(random.number()),
            None => self.random().get_insecure_random_u64(),
        }
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        match self.seeded_random() {
            Some(random) => Ok(random.for_tables()),
            None => self.random().insecure_seed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits").section("Limits of a call").line("random bytes").cell(1).says(&size(MAX_REQUEST));
    }
}
