//! Cache keys: which result is valid for which call, in any run and on any host.
//! The `cache` module stores results.

use crate::cache::{KeyParts, key};
use crate::engine::digests::Digests;
use crate::model::Digest;
use crate::plan::{Bound, CacheRule, Task};
use crate::value::Type;
use bytes::Bytes;
use std::time::Duration;

/// Cache target of a call's result: key, expected type, and time to live.
pub(crate) struct CacheTarget {
    /// The cache key.
    pub(crate) key: Digest,
    /// Fingerprint that the type of the stored value must have.
    pub(crate) type_fingerprint: Digest,
    /// Time to live that the task sets.
    pub(crate) ttl: Option<Duration>,
}

/// Returns the cache target of one call of `task` with `args`; none if its results are not shared.
pub(crate) fn shared(bound: &Bound, task: &Task, args: &[Bytes], digests: &Digests) -> Option<CacheTarget> {
    let CacheRule::Shared(ttl) = task.cache else {
        return None;
    };
    let function = bound.plan().function_of(task)?;
    let digests: Vec<Digest> = args.iter().map(|arg| digests.digest_of(arg)).collect();
    let key = key(&KeyParts {
        component: &function.digest,
        interface: function.export.interface.as_deref(),
        function: &function.export.function,
        args: &digests,
        grants: bound.grants().get(task.function)?,
    });
    let type_fingerprint =
        task.value.as_ref().map_or_else(|| Digest::of_bytes(b"nothing"), Type::fingerprint);
    Some(CacheTarget { key, type_fingerprint, ttl })
}
