//! Components and programs that others have published, taken from the registries as they are, and put to work.
//! Components written for the tests are in `blackbox`.
//!
//! `CASCADE_TEST_WITHOUT` skips the registries that a machine does not reach: `npm`, `pypi`, `crates`.

#![deny(dead_code)]

mod packages;
mod published;
mod programs;
mod pins;
mod inspection;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Runs tests that compile one after another. Compiling uses every core by itself, and what one test compiled, the
/// next finds in the code cache.
fn compile_in_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
