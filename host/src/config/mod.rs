//! Reads the environment, the settings file and the machine, and decides which setting wins. No other module reads
//! them.
//! Settings are interpreted where they are used; `cli` parses the flags and passes them in.

mod cgroup;
mod closed;
mod compile;
mod dispositions;
mod environment;
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

pub use blocking::Blocking;
pub use closed::Stream;
pub use compile::CompileSettings;
pub use dispositions::{Ignored, catch, unblock_signals};
pub use environment::{Environment, NotText, arguments};
pub use fault::SettingsFault;
pub use file::{FileFault, SettingsFile};
pub use identity::{host_id, is_gone};
pub use input::{as_text, folder_of, read_at_most, read_input, read_text};
pub use machine::{cores, host_name, memory_budget, program, raise_open_files, spare_files, threads_are_few};
pub use process::{forget_peak, peak, resident};
pub use settings::{LogFormat, LogLevel, Overrides, Settings};
pub use syntax::explain_toml;
