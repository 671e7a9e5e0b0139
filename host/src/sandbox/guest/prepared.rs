//! A prepared function: code, codec and grants, ready to be called.
//! `load` prepares it, `call` calls it.

use crate::invoke::Grants;
use crate::model::{Digest, Limits};
use crate::sandbox::codec::Codec;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::{Network, Orphans, TaskLookups};
use crate::sandbox::kind::GuestKind;
use crate::state::Buckets;
use crate::value::{Command, Export};
use std::sync::{Arc, OnceLock};
use wasmtime::component::{ComponentExportIndex, InstancePre};

/// A function that is ready to be called.
pub(crate) struct Prepared {
    /// Digest of its component.
    pub(crate) component: Digest,
    /// The exported function with its types.
    pub(crate) export: Export,
    /// The command that the function runs, if the task is one.
    pub(crate) command: Option<Arc<Command>>,
    /// Layouts of its parameters and result.
    pub(crate) codec: Arc<Codec>,
    /// Grants of the task.
    pub(crate) grants: Grants,
    /// Backend of the buckets, set after functions are prepared.
    pub(crate) buckets: Arc<OnceLock<Arc<dyn Buckets>>>,
    /// Network that all guests share.
    pub(crate) network: Arc<Network>,
    pub(crate) lookups: TaskLookups,
    pub(crate) orphans: Arc<Orphans>,
    /// Whether its engines have async functions.
    pub(crate) is_concurrent: bool,
    /// Maximum number of core instances.
    pub(crate) instances: usize,
    /// The function for each kind of guest that calls it.
    pub(crate) variants: Vec<Variant>,
}

/// A function that is ready to be called by one kind of guest.
pub(crate) struct Variant {
    /// The kind of guest.
    pub(crate) guest: GuestKind,
    /// The component, linked.
    pub(crate) instance: InstancePre<State>,
    /// Index of the function among the exports.
    pub(crate) index: ComponentExportIndex,
}

impl Prepared {
    /// Returns the function for calls with these limits.
    pub(crate) fn variant(&self, limits: &Limits) -> Option<&Variant> {
        let guest = GuestKind::of(limits);
        self.variants.iter().find(|variant| variant.guest == guest)
    }
}
