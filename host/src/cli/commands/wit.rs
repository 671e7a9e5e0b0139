//! The WIT that a command names: `--wit` and `--world`.
//! `app` reads the files.

use crate::app;
use crate::app::Refusal;
use crate::sandbox::Wit;
use std::path::Path;

/// Reads the WIT at a path, with the world of that name.
pub(crate) fn read_wit(path: &Path, world: Option<&str>) -> Result<Wit, Refusal> {
    let packages = app::read_wit(path).map_err(|error| {
        Refusal::new(format!("cannot read the WIT `{}`", path.display()))
            .help("name a folder with `.wit` files, or one such file")
            .caused_by(error)
    })?;
    Ok(Wit { packages, world: world.map(str::to_owned) })
}
