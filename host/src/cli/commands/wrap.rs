//! `wrap`: makes a component of a core module.
//! `sandbox` does, in a process with bounds.

use crate::app;
use crate::app::{Error, Refusal};
use crate::cli::authoring::WrapArguments;
use crate::cli::commands::wit::read_wit;
use crate::cli::context::Context;
use crate::cli::log::show_bytes;
use crate::cli::process::Exit;
use crate::model::Random;
use crate::sandbox::TextEncoding;

/// Makes the component, and says how large it is.
pub(crate) fn wrap(ctx: &Context, arguments: &WrapArguments) -> Result<Exit, Error> {
    let WrapArguments { module, wit, world, encoding, out } = arguments;
    let sandbox = ctx.open_sandbox()?;
    let bytes = app::read_component(module, sandbox.max_component_size()).map_err(|error| {
        Refusal::new(format!("cannot read the module `{}`", module.display())).caused_by(error)
    })?;
    let wit = wit.as_deref().map(|path| read_wit(path, world.as_deref())).transpose()?;
    let component = sandbox.wrap(&bytes, wit.as_ref(), TextEncoding::from(*encoding))?;
    app::write_file(out, &component, &mut Random::from_system())?;
    let size = show_bytes(u64::try_from(component.len()).unwrap_or(u64::MAX));
    ctx.console.note("wrapped", &format!("wrote {} ({size})", out.display()));
    Ok(Exit::Success)
}
