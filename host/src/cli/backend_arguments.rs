//! Arguments that several commands share: state backend, cache, and the format of values.
//! `args` lists all commands.

use crate::cli::print::Format;
use clap::Args;

/// The state backend.
#[derive(Debug, Clone, Args)]
pub(crate) struct BackendArguments {
    /// State backend, which stores results [default: `CASCADE_STATE`, then the manifest's, then memory:]
    #[arg(long, value_name = "URI")]
    pub(crate) state: Option<String>,
}

/// The cache.
#[derive(Debug, Clone, Args)]
pub(crate) struct CacheArguments {
    /// Cache that shares pure results between runs, or `off` [default: `CASCADE_CACHE`, then the manifest's, then off]
    #[arg(long, value_name = "URI|off")]
    pub(crate) cache: Option<String>,
}

/// The format of printed results.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormatArguments {
    /// Format of the results; raw prints the bytes of one string or list<u8>
    #[arg(short = 'o', long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) format: Format,
}
