//! Cache keys: which result is valid for which call, in any run and on any host; and digests of the calls of one run.
//! The `cache` module stores results, and the ledger which call each is of.

use crate::cache::{KeyParts, key};
use crate::model::{Digest, Digester, Name};
use crate::plan::{Bound, CacheRule, OnError, Task, repeat_digest};
use crate::state::CallDigest;
use crate::value::Type;
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

/// Returns the cache target of one call of `task` with arguments of these digests; none if its results are not shared.
pub(crate) fn shared(bound: &Bound, task: &Task, args: &[Digest]) -> Option<CacheTarget> {
    let CacheRule::Shared(ttl) = task.cache else {
        return None;
    };
    let function = bound.plan().function_of(task)?.component()?;
    let grants = with_program(bound.grants().get(task.function)?, function.program());
    let key = key(&KeyParts {
        component: &function.digest,
        interface: function.export.interface.as_deref(),
        function: &function.export.function,
        command: function.command_identity().as_ref(),
        args,
        grants: &grants,
    });
    let type_fingerprint =
        task.value.as_ref().map_or_else(|| Digest::of_bytes(b"nothing"), Type::fingerprint);
    Some(CacheTarget { key, type_fingerprint, ttl })
}

/// Returns the digest of one call of `task`: a result of the same call is a result of this one. `args` are the digests of
/// its arguments, in the first iteration of a task that repeats.
pub(crate) fn call_digest(bound: &Bound, task: &Task, args: &[Digest]) -> Option<CallDigest> {
    let mut digester = Digester::new("cascade call of run 1");
    digester.digest(bound.callees().get(task.function)?);
    // What failed has no result, or one that says so, or is left out of a list.
    digester.number(match task.on_error {
        OnError::Fail | OnError::Skip => 0,
        OnError::Value => 1,
        OnError::Failure => 2,
    });
    digester.number(u64::from(task.leaves_out.bits()));
    task.repeat.iter().for_each(|repeat| {
        digester.field(b"repeat").digest(&repeat_digest(repeat));
    });
    args.iter().for_each(|arg| {
        digester.digest(arg);
    });
    digester.finish().as_bytes().first_chunk().copied().map(CallDigest)
}

/// Returns the digest of grants with the guest's `argv[0]`, which is not written among them.
fn with_program(grants: &Digest, program: Option<&Name>) -> Digest {
    program.map_or(*grants, |program| {
        let mut digester = Digester::new("cascade program 1");
        digester.digest(grants).field(program.as_str().as_bytes());
        digester.finish()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_name_counts_only_with_arguments() {
        let (grants, name) = (Digest::of_bytes(b"g"), |name| Name::new(name).unwrap());
        assert_eq!(with_program(&grants, None), grants);
        let a = with_program(&grants, Some(&name("a")));
        assert_ne!(a, grants);
        assert_ne!(a, with_program(&grants, Some(&name("b"))));
        assert_ne!(a, with_program(&Digest::of_bytes(b"h"), Some(&name("a"))));
    }
}
