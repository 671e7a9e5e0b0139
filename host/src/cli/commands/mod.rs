//! The commands, one file each: from arguments to the application and back to what is printed.
//! How things look stands beside; what they do is for `app`.

pub(crate) mod run;
pub(crate) mod check;
pub(crate) mod plan;
pub(crate) mod inspect;
pub(crate) mod build;
pub(crate) mod output;
pub(crate) mod runs;
pub(crate) mod show;
pub(crate) mod logs;
pub(crate) mod watch;
pub(crate) mod cancel;
pub(crate) mod rm;
pub(crate) mod doctor;
pub(crate) mod help;
