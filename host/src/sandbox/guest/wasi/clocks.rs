//! Clocks of a guest: logical by default, moved only by its own reads and waits; real ones if granted.
//! `call` bounds the real time of a call.

use crate::sandbox::guest::state::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::clocks::wall_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

/// Start of the logical wall clock: 2000-01-01T00:00:00Z, in seconds since 1970.
const WALL_START: u64 = 946_684_800;

/// Start of the logical monotonic clock, in nanoseconds. Not zero, so that a guest may subtract.
const START: u64 = 1_000_000_000;

/// Advance of the logical clocks per read, in nanoseconds.
const STEP: u64 = 1_000;

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the call began, as the guest sees them. Shared with its timers.
#[derive(Debug, Clone)]
pub(crate) struct LogicalClock(Arc<AtomicU64>);

impl Default for LogicalClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }
}

impl LogicalClock {
    /// Returns the time and advances the clock.
    fn read(&self) -> u64 {
        let advance = |now: u64| Some(now.saturating_add(STEP));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance).unwrap_or_else(|now| now)
    }

    /// Advances the clock to a deadline if it is behind, and returns whether the deadline had passed already.
    fn reach(&self, deadline: u64) -> bool {
        self.0.fetch_max(deadline, Ordering::Relaxed) >= deadline
    }
}

/// A timer that fires as soon as the guest waits for it, by advancing the clock.
struct LogicalTimer {
    clock: LogicalClock,
    deadline: u64,
}

#[async_trait]
impl Pollable for LogicalTimer {
    async fn ready(&mut self) {
        // A guest that waits in a loop must let others run. A guest that only polls sees the timer at its second poll.
        if !self.clock.reach(self.deadline) {
            tokio::task::yield_now().await;
        }
    }
}

impl State {
    fn timer(&mut self, clock: LogicalClock, deadline: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = self.table.push(LogicalTimer { clock, deadline })?;
        subscribe(&mut self.table, timer)
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        match self.clock() {
            Some(clock) => Ok(clock.read()),
            None => monotonic_clock::Host::now(&mut self.clocks()),
        }
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        match self.clock() {
            Some(_) => Ok(STEP),
            None => monotonic_clock::Host::resolution(&mut self.clocks()),
        }
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        match self.clock().cloned() {
            Some(clock) => self.timer(clock, when),
            None => self.clocks().subscribe_instant(when),
        }
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        match self.clock().cloned() {
            Some(clock) => {
                let deadline = clock.read().saturating_add(duration);
                self.timer(clock, deadline)
            }
            None => self.clocks().subscribe_duration(duration),
        }
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        match self.clock() {
            Some(clock) => {
                let now = clock.read();
                Ok(wall_clock::Datetime {
                    seconds: WALL_START.saturating_add(now / SECOND),
                    nanoseconds: u32::try_from(now % SECOND).unwrap_or(0),
                })
            }
            None => wall_clock::Host::now(&mut self.clocks()),
        }
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        match self.clock() {
            Some(_) => Ok(wall_clock::Datetime { seconds: 0, nanoseconds: u32::try_from(STEP).unwrap_or(1) }),
            None => wall_clock::Host::resolution(&mut self.clocks()),
        }
    }
}
