//! The vocabulary of all other modules: names, ids, sizes, durations, digests, time and randomness.
//! Validating newtypes only. Manifests are parsed in `manifest`, WIT types are in `value`, and nothing here waits.

mod capacity;
mod clock;
#[cfg(test)]
mod manual_clock;
mod datum;
mod digest;
mod duration;
mod domain;
#[cfg(test)]
mod effort;
mod encoding;
mod endpoint;
mod excerpt;
mod file_path;
mod file_pattern;
mod guest_text;
mod fault;
mod grant;
mod index;
mod index_text;
mod input;
mod interface_name;
mod limits;
mod name;
mod oci_reference;
mod path;
mod patterns;
mod random;
mod remote;
mod run_id;
mod secrets;
mod shortage;
mod size;
mod source;
mod sources;
mod task_name;
mod verdict;
mod web;

pub use capacity::{Capacity, MAX_RATE, Per, Rate, RateFault};
pub use clock::{Clock, SystemClock, Timestamp};
pub use datum::Datum;
pub use digest::{Digest, Digester};
pub use duration::{parse_duration, show_duration};
#[cfg(test)]
pub(crate) use effort::Effort;
pub use encoding::{other_encoding, without_mark};
pub use endpoint::{Endpoint, EndpointFault};
pub use excerpt::excerpt;
pub use fault::{
    Fault, Faults, Location, MAX_LISTED, Spanned, nearest, resemblance, shortlist, shortlist_by,
};
pub use file_path::{FilePath, FilePathFault, FilePattern};
#[cfg(test)]
pub(crate) use file_path::{MAX_FILE_NAME, MAX_PATH};
pub use file_pattern::InputPattern;
pub(crate) use file_pattern::Matcher;
pub use grant::{Grant, WithoutGrant};
pub use guest_text::{
    MAX_LINE, MessageParts, after_output, before_output, message_parts, one_line, own_words, quoted_lines,
};
pub use index::{IndexPath, TaskIdx, to_usize};
pub use index_text::{IndexFault, parse_index};
pub use input::open_input;
pub use interface_name::{are_compatible, split_version, version_numbers};
pub use limits::{Limits, MAX_BY_ATTEMPT, Stack};
#[cfg(test)]
pub(crate) use manual_clock::ManualClock;
pub use name::{Name, STD};
pub use oci_reference::{OciFault, OciReference};
pub use path::{Path, Step};
pub use random::{Random, secret};
pub use remote::Remote;
pub use run_id::{RunId, RunIdFault};
pub use secrets::Secrets;
pub use shortage::{Shortage, try_files, try_threads};
pub use size::Size;
pub use source::{Source, Span};
pub use sources::Sources;
pub use task_name::{TaskName, TaskNameFault};
pub use verdict::{FailureClass, FailurePolicy, RunStatus, SkipReason};
pub use web::{SecureUrl, SecureUrlFault, Url, UrlPrefix, UrlPrefixFault};
