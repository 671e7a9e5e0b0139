//! The Lua scripts that run inside Redis, each composed of its parts.
//! Calling them is left to `run` and `stored`.

use crate::state::redis::link::{Script, digest};

const STEP_TEXT: &str = concat!(
    include_str!("scripts/keys.lua"),
    include_str!("scripts/formats.lua"),
    include_str!("scripts/prelude.lua"),
    include_str!("scripts/fast_path.lua"),
    include_str!("scripts/records.lua"),
    include_str!("scripts/queue.lua"),
    include_str!("scripts/settle.lua"),
    include_str!("scripts/deadlines.lua"),
    include_str!("scripts/ending.lua"),
    include_str!("scripts/leases.lua"),
    include_str!("scripts/hand_out.lua"),
    include_str!("scripts/write.lua"),
    include_str!("scripts/control.lua"),
    include_str!("scripts/commands.lua"),
);
const INSPECT_TEXT: &str = concat!(include_str!("scripts/keys.lua"), include_str!("scripts/inspect.lua"));
const BEGIN_TEXT: &str = concat!(include_str!("scripts/keys.lua"), include_str!("scripts/begin.lua"));
const SET_ASIDE_TEXT: &str = concat!(include_str!("scripts/keys.lua"), include_str!("scripts/set_aside.lua"));
const BUCKET_GET_TEXT: &str = include_str!("scripts/bucket_get.lua");
const BUCKET_WRITE_TEXT: &str = include_str!("scripts/bucket_write.lua");
const RESOURCES_TEXT: &str = include_str!("scripts/resources.lua");

/// One step of a run: settles, claims, renews, cancels.
pub(crate) static STEP: Script = Script::new(STEP_TEXT, || digest(STEP_TEXT));

/// Inspects a run that a host opens.
pub(crate) static INSPECT: Script = Script::new(INSPECT_TEXT, || digest(INSPECT_TEXT));

/// Begins a new life of a run.
pub(crate) static BEGIN: Script = Script::new(BEGIN_TEXT, || digest(BEGIN_TEXT));

/// Sets results aside that a changed plan may have again.
pub(crate) static SET_ASIDE: Script = Script::new(SET_ASIDE_TEXT, || digest(SET_ASIDE_TEXT));

/// Reads values of a bucket.
pub(crate) static BUCKET_GET: Script = Script::new(BUCKET_GET_TEXT, || digest(BUCKET_GET_TEXT));

/// Writes to a bucket.
pub(crate) static BUCKET_WRITE: Script = Script::new(BUCKET_WRITE_TEXT, || digest(BUCKET_WRITE_TEXT));

/// One step on the resources of all runs.
pub(crate) static RESOURCES: Script = Script::new(RESOURCES_TEXT, || digest(RESOURCES_TEXT));
