//! `bindings`: writes the source files that hide the canonical ABI of an interface from a language.
//! `app/bindings` writes them to the folder.

use crate::app;
use crate::app::{Error, Refusal};
use crate::cli::authoring::BindingsArguments;
use crate::cli::commands::wit::read_wit;
use crate::cli::context::Context;
use crate::cli::process::Exit;
use crate::model::Random;
use crate::sandbox::BindingsRequest;

/// Writes the bindings, and says where they are.
pub(crate) fn bindings(ctx: &Context, arguments: &BindingsArguments) -> Result<Exit, Error> {
    let BindingsArguments { lang, wit, world, out } = arguments;
    let generator = lang
        .generator()
        .map_err(|why| Refusal::new(format!("this host writes no bindings for {}", lang.name())).help(why))?;
    let wit = read_wit(wit, world.as_deref())?;
    let files = ctx.open_sandbox()?.bindings(BindingsRequest { generator, wit })?;
    app::write_sources(out, &files, &mut Random::from_system())?;
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    ctx.console.note("bindings", &format!("wrote {}: {}", out.display(), names.join(", ")));
    Ok(Exit::Success)
}
