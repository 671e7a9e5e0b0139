//! `man`: prints a man page, of the program or of a command, or writes all of them into a folder.
//! The pages say what `--help` says; the manual is in `help`.

use crate::app;
use crate::app::{Error, Refusal};
use crate::cli::args::Arguments;
use crate::cli::commands::output::print;
use crate::cli::context::Context;
use crate::cli::process::Exit;
use crate::cli::shell_arguments::ManArguments;
use crate::model::{Random, nearest};
use crate::sandbox::SourceFile;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

/// Prints a page, or writes all pages.
pub(crate) fn man(ctx: &Context, arguments: &ManArguments) -> Result<Exit, Error> {
    let mut root = Arguments::command();
    root.build();
    if let Some(folder) = &arguments.out {
        let commands: Vec<&Command> = std::iter::once(&root).chain(root.get_subcommands()).collect();
        let files: Result<Vec<SourceFile>, Refusal> = commands
            .iter()
            .map(|command| Ok(SourceFile { path: file_name(command), content: page(command)? }))
            .collect();
        let files = files?;
        app::write_sources(folder, &files, &mut Random::from_system())?;
        ctx.console.note("man", &format!("wrote {} pages to {}", files.len(), folder.display()));
        return Ok(Exit::Success);
    }
    match &arguments.command {
        None => print(&page(&root)?),
        Some(name) => match root.find_subcommand(name) {
            Some(command) => print(&page(command)?),
            None => Err(unknown(name, &root).into()),
        },
    }
}

/// Returns `cascade-host-run.1`.
fn file_name(command: &Command) -> String {
    format!("{}.1", full_name(command))
}

/// Returns `cascade-host-run`.
fn full_name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command) -> Result<Vec<u8>, Refusal> {
    let mut text = Vec::new();
    let manual = concat!("cascade-host ", env!("CARGO_PKG_VERSION"));
    let rendered = Man::new(command.clone())
        .title(full_name(command))
        .manual("cascade-host")
        .source(manual)
        .date("")
        .render(&mut text);
    rendered.map_err(|error| Refusal::new("cannot write the man page").caused_by(error))?;
    Ok(text)
}

fn unknown(name: &str, root: &Command) -> Refusal {
    let refusal = Refusal::new(format!("there is no command `{name}`"));
    match nearest(name, root.get_subcommands().map(Command::get_name)) {
        Some(meant) => refusal.help(format!("did you mean `cascade-host man {meant}`?")),
        None => refusal.help("`cascade-host --help` lists the commands"),
    }
}
