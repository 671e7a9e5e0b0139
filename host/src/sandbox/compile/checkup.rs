//! Self-checks of the sandbox: allocation pool, dirty-page scan, and the cache of compiled code.
//! `app` runs them for `doctor` and draws the conclusions.

use crate::model::{Digest, Random, Stack};
use crate::sandbox::engine;
use crate::sandbox::kind::{Allocation, CodeKind, EngineKind};
use crate::sandbox::load::Sandbox;
use std::io::Write as _;

impl Sandbox {
    /// Returns why guests do not run in an allocation pool, or `None` if those with a stack of any size do.
    #[must_use]
    pub fn pool_refusal(&self) -> Option<String> {
        Stack::ALL.into_iter().find_map(|stack| {
            let refusal = match self.engines.runtime(EngineKind { stack, ..EngineKind::PLAIN }) {
                Ok(runtime) if runtime.kind.allocation == Allocation::Pooling => return None,
                Ok(_) => engine::pool_refusal(self.engines.calls, stack)
                    .unwrap_or_else(|| "the engine refused it when it was created".to_owned()),
                Err(error) => error.to_string(),
            };
            Some(match stack {
                Stack::Small => refusal,
                _ => format!("with `limits.stack` = {}, {refusal}", stack.size()), // a size that a task chooses
            })
        })
    }

    /// Returns whether the kernel may be asked which pages are dirty, so that only those are reset.
    #[must_use]
    pub fn may_scan_pagemap() -> bool {
        engine::may_scan_pagemap()
    }

    /// Checks the cache of compiled code: an entry must be found again, and rejected once its bytes have changed.
    ///
    /// Returns `None` if no cache is in use, and a description of the failure otherwise.
    pub fn prove_code_cache(&self) -> Option<Result<(), String>> {
        let cache = self.code_cache.as_ref()?;
        let code_id = match self.engines.code_id(CodeKind::PLAIN) {
            Ok(code_id) => code_id,
            Err(error) => return Some(Err(error.to_string())),
        };
        // No component has this digest, so no other process looks up the entry meanwhile.
        let name =
            Digest::of_bytes(format!("no component {:x}", Random::from_system().next_u64()).as_bytes());
        let stored = cache.draft().and_then(|mut draft| {
            draft.write_all(b"no code")?;
            cache.store(&code_id, &name, draft)
        });
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) => return Some(Err(format!("code cannot be written: {error}"))),
        };
        let is_found = cache.get(&code_id, &name).is_some();
        // The length stays the same: only the seal can reveal the change.
        let is_changed = std::fs::write(stored.path(), b"no cade").is_ok();
        let is_changed_found = cache.get(&code_id, &name).is_some();
        stored.remove();
        Some(match (is_found, is_changed, is_changed_found) {
            (true, true, false) => Ok(()),
            (true, true, true) => Err("changed code is accepted".to_owned()),
            (false, ..) | (_, false, _) => Err("cached code is not found again".to_owned()),
        })
    }
}
