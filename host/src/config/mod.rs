//! The only reader of the environment and of the host's settings file, and the order in which settings win.
//! What the settings are for is known where they are used; flags are read by the command line and handed in.

mod cgroup;
mod environment;
mod file;
mod machine;
mod settings;

pub use environment::Environment;
pub use file::{FileFault, SettingsFile};
pub use machine::{cores, host_id, host_name, is_gone, memory_budget, raise_open_files};
pub use settings::{LogFormat, LogLevel, Overrides, Settings, SettingsFault};
