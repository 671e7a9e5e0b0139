//! The scripts that run inside of Redis, each composed of its parts.
//! What they do stands in the parts; how they are called stands where they are used.

use crate::state::redis::link::Script;
use crate::state::redis::link::digest;

const STEP_TEXT: &str = concat!(
    include_str!("scripts/head.lua"),
    include_str!("scripts/plain.lua"),
    include_str!("scripts/records.lua"),
    include_str!("scripts/queue.lua"),
    include_str!("scripts/settle.lua"),
    include_str!("scripts/leases.lua"),
    include_str!("scripts/hand_out.lua"),
    include_str!("scripts/write.lua"),
    include_str!("scripts/steer.lua"),
    include_str!("scripts/verbs.lua"),
);
const LOOK_TEXT: &str = include_str!("scripts/look.lua");
const BEGIN_TEXT: &str = include_str!("scripts/begin.lua");

/// One step of a run, by a host that works on it.
pub(crate) static STEP: Script = Script::new(STEP_TEXT, || digest(STEP_TEXT));

/// What a host that asks for a run finds.
pub(crate) static LOOK: Script = Script::new(LOOK_TEXT, || digest(LOOK_TEXT));

/// The beginning of a life of a run.
pub(crate) static BEGIN: Script = Script::new(BEGIN_TEXT, || digest(BEGIN_TEXT));
