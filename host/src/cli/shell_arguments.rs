//! The arguments of the commands for the shell: `completions` and `man`.
//! `args` has those of most other commands.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell: bash, zsh or fish
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// A shell that completes arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    /// Bash, from 4 on.
    Bash,
    /// Z shell.
    Zsh,
    /// Fish.
    Fish,
}

impl Shell {
    /// Returns the name of the shell.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The command [default: the program itself]
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub(crate) command: Option<String>,

    /// Write the pages of the program and of all commands to this folder
    #[arg(short = 'o', long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
