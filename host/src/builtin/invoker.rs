//! Runs the calls of built-in tasks, each on a thread where it may compute, until its timeout or until it is dropped.
//! `function` computes; `budget` stops it.

use crate::builtin::budget::{Budget, Stop};
use crate::builtin::function::Function;
use crate::invoke::{Call, Failure, Invoker, LastOutput, Outcome, Returned, Usage};
use crate::model::{FailureClass, show_duration};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{Instant, timeout};

/// Invoker of built-in tasks. A call takes nothing of the sandbox: no slot of its pool, and no guest's memory.
#[derive(Debug)]
pub struct Builtins {
    /// Id of the first function.
    first: usize,
    functions: Vec<Function>,
}

impl Builtins {
    /// Creates the invoker of these functions, whose ids count from `first`.
    #[must_use]
    pub const fn new(first: usize, functions: Vec<Function>) -> Self {
        Self { first, functions }
    }

    /// Returns whether a call is of one of these functions.
    #[must_use]
    pub fn serves(&self, call: &Call) -> bool {
        self.position(call).is_some_and(|position| position < self.functions.len())
    }

    fn position(&self, call: &Call) -> Option<usize> {
        call.function.0.checked_sub(self.first)
    }
}

/// Tells a call to stop. Dropped with the future of the call, it stops one that nobody waits for.
struct StopOnDrop(Arc<AtomicBool>);

impl StopOnDrop {
    fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a thread brings back.
struct Computed {
    result: Result<Bytes, Stop>,
    memory: u64,
}

#[async_trait::async_trait]
impl Invoker for Builtins {
    async fn invoke(&self, call: Arc<Call>) -> Result<Returned, Failure> {
        let start = Instant::now();
        let function = self.position(&call).and_then(|position| self.functions.get(position));
        let Some(function) = function.cloned() else {
            let message = format!("no built-in task was prepared as number {}", call.function.0);
            return Err(failure(FailureClass::Input, message, Usage::default()));
        };
        let (time, is_stopped) = (call.timeout, StopOnDrop(Arc::default()));
        let flag = Arc::clone(&is_stopped.0);
        let mut thread = tokio::task::spawn_blocking(move || {
            let budget = Budget::new(call.limits, &flag);
            let result = function.call(&call.args, &budget);
            Computed { result, memory: budget.peak() }
        });
        let computed = match timeout(time, &mut thread).await {
            Ok(computed) => computed,
            Err(_elapsed) => {
                is_stopped.stop();
                thread.await // it looks at the flag every few microseconds
            }
        };
        let Computed { result, memory } = match computed {
            Ok(computed) => computed,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(timed_out(time, Usage::default())), // the runtime ends, and this call with it
            },
        };
        let usage = Usage { duration: start.elapsed(), memory, fuel: None };
        match result {
            Ok(value) => Ok(Returned {
                outcome: Outcome::Value(value),
                last: LastOutput::default(),
                exit: None,
                usage,
            }),
            Err(stop) => Err(match stop.failure() {
                Some((class, message)) => {
                    let hit_memory = matches!(stop, Stop::Memory(_));
                    Failure { hit_memory, ..failure(class, message, usage) }
                }
                None => timed_out(time, usage),
            }),
        }
    }
}

fn timed_out(time: std::time::Duration, usage: Usage) -> Failure {
    let message = format!("`timeout` = {} reached: the task did not end", show_duration(time));
    failure(FailureClass::Timeout, message, usage)
}

fn failure(class: FailureClass, message: String, usage: Usage) -> Failure {
    Failure { class, hit_memory: false, message, last: LastOutput::default(), backtrace: None, usage }
}
