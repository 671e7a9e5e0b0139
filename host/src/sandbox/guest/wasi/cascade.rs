//! The host's own interfaces: `cascade:task/context` and `progress`, and `wasi:logging`.
//! Their WIT is in `wit/`; the call's listener receives progress and logs.

use crate::invoke::Stream;
use crate::model::Digester;
use crate::sandbox::guest::limits::MIN_LINE_COST;
use crate::sandbox::guest::state::State;
use tokio::time::Instant;
use wasmtime::component::{HasSelf, Linker};

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "cascade:host/imports",
        imports: { default: trappable },
    });
}

use bindings::cascade::task::context;
use bindings::cascade::task::progress;
use bindings::wasi::logging::logging;

/// Links the host's own interfaces.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    context::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    progress::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    logging::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    // The draft was first published without a version, and older guests import it by that name.
    let mut unversioned = linker.instance("wasi:logging/logging")?;
    unversioned.func_wrap("log", |mut store, (level, context, message): (logging::Level, String, String)| {
        logging::Host::log(store.data_mut(), level, context, message)
    })
}

impl progress::Host for State {
    fn report(&mut self, fraction: f64, message: String) -> wasmtime::Result<()> {
        // One event, however many lines it has.
        self.outputs.logs.charge((message.len() + 8).max(MIN_LINE_COST))?;
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        self.call.listener.on_progress(fraction, &message);
        Ok(())
    }
}

impl logging::Host for State {
    fn log(&mut self, level: logging::Level, context: String, message: String) -> wasmtime::Result<()> {
        let level = match level {
            logging::Level::Trace => "trace",
            logging::Level::Debug => "debug",
            logging::Level::Info => "info",
            logging::Level::Warn => "warn",
            logging::Level::Error => "error",
            logging::Level::Critical => "critical",
        };
        let text = if context.is_empty() {
            format!("{level}: {message}")
        } else {
            format!("{level} {context}: {message}")
        };
        self.outputs.logs.charge_lines(&text)?;
        self.call.listener.on_output(Stream::Log, &text);
        Ok(())
    }
}

impl context::Host for State {
    fn current(&mut self) -> wasmtime::Result<context::Attempt> {
        self.require_context()?;
        let attempt = &self.call.attempt;
        let deadline = self.call.run_deadline.map_or(self.deadline.0, |run| run.min(self.deadline.0));
        let left = deadline.saturating_duration_since(Instant::now());
        // The key is the same for every attempt in an epoch, so that a service can recognise repetitions.
        let mut key = Digester::new("cascade idempotency 1");
        key.field(attempt.run.as_str().as_bytes())
            .field(attempt.task.as_str().as_bytes())
            .number(attempt.item.map_or(u64::MAX, u64::from))
            .number(attempt.epoch);
        // Each iteration has a key of its own.
        if let Some(iteration) = attempt.iteration {
            key.number(u64::from(iteration));
        }
        Ok(context::Attempt {
            run: attempt.run.to_string(),
            task: attempt.task.to_string(),
            item: attempt.item,
            attempt: attempt.number,
            idempotency_key: key.finish().to_string(),
            deadline_ms: u64::try_from(left.as_millis()).ok(),
        })
    }

    /// Always returns `false`: cancelling a guest stops it, so a guest that still runs is not cancelled.
    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        self.require_context()?;
        Ok(false)
    }
}

impl State {
    fn require_context(&self) -> wasmtime::Result<()> {
        if self.has_context() {
            return Ok(());
        }
        wasmtime::bail!("`cascade:task/context` is not granted to this task; grant it with `context = true`")
    }
}
