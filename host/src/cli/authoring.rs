//! The arguments of the commands for authors of components: `new`, `bindings` and `wrap`.
//! `args` has those of all other commands.

use crate::app;
use crate::app::Language;
use crate::sandbox::TextEncoding;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("origin").required(true).args(["lang", "from"]))]
pub(crate) struct NewArguments {
    /// The folder to create, and the name of the pipeline in it
    pub(crate) name: PathBuf,

    /// Language of the task, such as rust, python, javascript, go or c
    #[arg(long, value_name = "LANG", value_parser = Language::parse)]
    pub(crate) lang: Option<Language>,

    /// WIT to start from: a folder or a file, whose functions are to be written
    #[arg(long, value_name = "PATH", requires = "lang")]
    pub(crate) wit: Option<PathBuf>,

    /// World in that WIT [default: the only one]
    #[arg(long, value_name = "WORLD", requires = "wit")]
    pub(crate) world: Option<String>,

    /// A component, as a file, `oci://REFERENCE` or URL: each of its functions becomes a task, with example arguments
    #[arg(long, value_name = "COMPONENT")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BindingsArguments {
    /// The interface: a folder with WIT, or a file
    #[arg(value_name = "WIT")]
    pub(crate) wit: PathBuf,

    /// Language of the bindings: c, cpp, zig, nim or go
    #[arg(long, value_name = "LANG", value_parser = Language::parse)]
    pub(crate) lang: Language,

    /// World in the WIT [default: the only one]
    #[arg(long, value_name = "WORLD")]
    pub(crate) world: Option<String>,

    /// Folder for the bindings
    #[arg(short = 'o', long, value_name = "DIR", default_value = app::BINDINGS)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WrapArguments {
    /// The core module
    #[arg(value_name = "MODULE")]
    pub(crate) module: PathBuf,

    /// WIT that it was built by, if it does not carry its interface: a folder or a file
    #[arg(long, value_name = "PATH")]
    pub(crate) wit: Option<PathBuf>,

    /// World in that WIT [default: the only one]
    #[arg(long, value_name = "WORLD", requires = "wit")]
    pub(crate) world: Option<String>,

    /// Encoding of its strings: utf8 or utf16
    #[arg(long, value_name = "ENCODING", value_enum, default_value_t, requires = "wit")]
    pub(crate) encoding: Encoding,

    /// File for the component
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Encoding of the strings of a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Encoding {
    /// UTF-8, as most languages have it.
    #[default]
    Utf8,
    /// UTF-16, as `AssemblyScript` has it.
    Utf16,
}

impl From<Encoding> for TextEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Utf8 => Self::Utf8,
            Encoding::Utf16 => Self::Utf16,
        }
    }
}
