//! What the sandbox can say of itself to whoever examines this machine.
//! What follows from it is for `app`.

use crate::model::{Digest, Random};
use crate::sandbox::engine;
use crate::sandbox::engine::Allocation;
use crate::sandbox::load::Sandbox;
use crate::sandbox::metering::Metering;
use std::io::Write as _;

impl Sandbox {
    /// Why guests do not run in a pool; none where they do.
    #[must_use]
    pub fn pool_refusal(&self) -> Option<String> {
        match self.engines.runtime(Metering::Time, Allocation::Pooling) {
            Ok(runtime) if runtime.allocation == Allocation::Pooling => None,
            Ok(_) => Some(
                engine::pool_refusal(self.engines.calls).unwrap_or_else(|| "it was refused once".to_owned()),
            ),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Whether memory may be cleaned by asking the kernel which pages are dirty.
    #[must_use]
    pub fn may_scan_pagemap(&self) -> bool {
        engine::may_scan_pagemap()
    }

    /// Keeps something in the folder of compiled code, and tries whether it is found again, and not found once it was
    /// changed; none where no folder is used.
    pub fn prove_code_cache(&self) -> Option<Result<(), String>> {
        let cache = self.code_cache.as_ref()?;
        let runtime = match self.engines.runtime(Metering::Time, Allocation::Pooling) {
            Ok(runtime) => runtime,
            Err(error) => return Some(Err(error.to_string())),
        };
        // No component has that digest, so that nobody finds what stands there meanwhile.
        let name =
            Digest::of_bytes(format!("no component {:x}", Random::from_system().next_u64()).as_bytes());
        let kept = cache.draft().and_then(|mut draft| {
            draft.write_all(b"no code")?;
            cache.keep(&runtime, &name, draft)
        });
        let kept = match kept {
            Ok(kept) => kept,
            Err(error) => return Some(Err(format!("code cannot be kept: {error}"))),
        };
        let is_found = cache.get(&runtime, &name).is_some();
        let is_changed = std::fs::write(kept.path(), b"no cade").is_ok();
        let is_found_changed = cache.get(&runtime, &name).is_some();
        kept.remove();
        Some(match (is_found, is_changed, is_found_changed) {
            (true, true, false) => Ok(()),
            (true, true, true) => Err("code that was changed is taken as it is".to_owned()),
            (false, ..) | (_, false, _) => Err("what was kept is not found again".to_owned()),
        })
    }
}
