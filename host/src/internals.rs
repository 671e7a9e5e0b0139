//! The inner modules, for benchmarks and fuzz targets. No part of the API: anything here may change at any time.
//! Compiled with the feature `internals` only.

macro_rules! open {
    ($($module:ident),*) => {
        $(
            #[expect(missing_docs, reason = "the module itself has them")]
            pub mod $module {
                pub use crate::$module::*;
            }
        )*
    };
}

open!(builtin, cache, engine, events, graph, invoke, manifest, model, plan, sandbox, state, value);
