//! Cache keys of calls: which results may stand for which calls, in any run and on any host.
//! Where cached results are kept is for `cache`.

use crate::cache::{KeyParts, key};
use crate::engine::digests::Digests;
use crate::model::Digest;
use crate::plan::{Bound, CacheRule, Task};
use crate::value::Type;
use bytes::Bytes;
use std::time::Duration;

/// Under which key a call's result is shared, and for how long; none if it is not shared.
pub(crate) struct CacheTarget {
    /// The key.
    pub(crate) key: Digest,
    /// What the value's type must be.
    pub(crate) type_fingerprint: Digest,
    /// The task's own time to live.
    pub(crate) ttl: Option<Duration>,
}

/// The cache key of one call of `task` with `args`.
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
