//! Sources of a task whose functions are to be written, for a world that exists.
//! `names` has the spelling of languages; `typed`, `untyped` and `over_c` write the sources.

mod world;
mod names;
mod untyped;
mod typed;
mod over_c;
mod request;

pub use request::{Skeleton, SkeletonLanguage, SkeletonRequest};
