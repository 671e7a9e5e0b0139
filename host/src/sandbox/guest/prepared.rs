//! A function that is ready to be called: code, codec and grants.
//! Preparing it is for `load`, calling it for `call`.

use crate::invoke::Grants;
use crate::model::Digest;
use crate::sandbox::codec::Codec;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::{Network, Orphans, TaskLookups};
use crate::sandbox::metering::Metering;
use crate::state::Buckets;
use crate::value::Export;
use std::sync::{Arc, OnceLock};
use wasmtime::component::{ComponentExportIndex, InstancePre};

/// A function that is ready to be called.
pub(crate) struct Prepared {
    pub(crate) component: Digest,
    pub(crate) export: Export,
    pub(crate) codec: Arc<Codec>,
    pub(crate) grants: Grants,
    pub(crate) buckets: Arc<OnceLock<Arc<dyn Buckets>>>,
    pub(crate) network: Arc<Network>,
    pub(crate) lookups: TaskLookups,
    pub(crate) orphans: Arc<Orphans>,
    pub(crate) metering: Metering,
    pub(crate) instances: usize,
    pub(crate) instance: InstancePre<State>,
    pub(crate) index: ComponentExportIndex,
}
