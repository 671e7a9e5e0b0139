//! Reads the environment, the settings file and the machine, and decides which setting wins. No other module reads
//! them.
//! Settings are interpreted where they are used; `cli` parses the flags and passes them in.

mod cgroup;
mod closed;
mod compile;
mod dispositions;
mod environment;
mod fetching;
mod file;
mod setting_source;
mod identity;
mod machine;
mod blocking;
mod process;
mod input;
mod fault;
mod settings;
mod syntax;

pub(crate) use blocking::Blocking;
pub(crate) use closed::Stream;
pub(crate) use compile::CompileSettings;
pub(crate) use dispositions::{Ignored, catch, unblock_signals};
pub(crate) use environment::{Environment, NotText, arguments};
pub(crate) use fault::SettingsFault;
pub(crate) use fetching::{Access, FetchSettings, Pinning};
pub(crate) use file::{FileFault, SettingsFile};
pub(crate) use identity::{host_id, is_gone};
pub(crate) use input::{MAX_INPUT, append_input, as_text, folder_of, read_at_most, read_input, read_text};
pub(crate) use machine::{
    cores, host_name, memory_budget, program, program_for_others, raise_open_files, spare_files,
    threads_are_few,
};
pub(crate) use process::{forget_peak, peak, resident};
pub(crate) use settings::{LogFormat, LogLevel, Overrides, Settings};
pub(crate) use syntax::explain_toml;
