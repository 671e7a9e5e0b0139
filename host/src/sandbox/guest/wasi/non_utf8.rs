//! File names that are not UTF-8: WASI cannot express them, so guests do not see them, and the task's log lists them.
//! `listings` reads folders.

use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::{beneath, disk};
use std::sync::Arc;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, HostDescriptor as _};

/// The interface in wasmtime's version of WASI 0.2. Its function that reads links is replaced.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Maximum number of names shown per listing; the others are counted.
const MAX_SHOWN: usize = 4;

/// Maximum length of a shown name, in characters.
const MAX_NAME: usize = 48;

/// Maximum length of the folder's path, in characters.
const MAX_FOLDER: usize = 80;

/// Replaces wasmtime's function that reads links, which does not report why a target cannot be returned.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_async(
        "[method]descriptor.readlink-at",
        |mut store, (folder, path): (Resource<Descriptor>, String)| {
            Box::new(async move { Ok((store.data_mut().read_link(folder, path).await?,)) })
        },
    )
}

impl State {
    async fn read_link(
        &mut self,
        folder: Resource<Descriptor>,
        path: String,
    ) -> wasmtime::Result<Result<String, ErrorCode>> {
        if let Some(folder) = self.disk_file(&folder) {
            return disk::split(folder.read_link_at(&path));
        }
        let beneath = self.table.get(&folder)?.clone();
        let code = match self.filesystem().readlink_at(folder, path.clone()).await {
            Ok(text) => return Ok(Ok(text)),
            Err(error) => error.downcast()?,
        };
        if let (ErrorCode::IllegalByteSequence, Descriptor::Dir(beneath), Some(calls)) =
            (code, beneath, self.files.blocking_calls().cloned())
        {
            let link = path.chars().take(MAX_NAME).collect::<String>();
            let open = Arc::clone(&beneath.dir);
            let text = calls.call(move || beneath::link_text(&open, &path)).await;
            let to = text.map_or_else(|_| String::new(), |text| format!(", {},", escaped_name(&text)));
            let message =
                format!("the target of the link `{link}`{to} is not UTF-8, so the guest cannot read it");
            self.refusals().log_once(&message);
        }
        Ok(Err(code))
    }
}

/// Names that a listing omits.
pub(crate) struct OmittedNames {
    folder: String,
    count: usize,
    first: Vec<String>,
}

impl OmittedNames {
    /// Creates an empty list for a folder, given the path by which the guest knows it.
    pub(crate) fn new(folder: &str) -> Self {
        Self { folder: folder.chars().take(MAX_FOLDER).collect(), count: 0, first: Vec::new() }
    }

    /// Adds an omitted name.
    pub(crate) fn add(&mut self, name: &[u8]) {
        self.count += 1;
        if self.first.len() < MAX_SHOWN {
            self.first.push(escaped_name(name));
        }
    }

    /// Returns the log message; none if no name was omitted.
    pub(crate) fn message(&self) -> Option<String> {
        let Self { folder, count, first } = self;
        let others = match count.checked_sub(first.len())? {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let first = first.join(", ");
        match count {
            0 => None,
            1 => Some(format!("the listing of `{folder}` omits a name that is not UTF-8: {first}")),
            _ => Some(format!(
                "the listing of `{folder}` omits {count} names that are not UTF-8: {first}{others}"
            )),
        }
    }
}

/// Escapes everything in a name but printable ASCII.
fn escaped_name(name: &[u8]) -> String {
    let mut escaped: String = name.escape_ascii().to_string();
    if escaped.chars().count() > MAX_NAME {
        escaped = escaped.chars().take(MAX_NAME).chain(['…']).collect();
    }
    format!("`{escaped}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_are_shown_and_all_are_counted() {
        let mut omitted = OmittedNames::new("data");
        assert_eq!(omitted.message(), None);
        omitted.add(b"b\xe9d");
        let single = r"the listing of `data` omits a name that is not UTF-8: `b\xe9d`";
        assert_eq!(omitted.message().as_deref(), Some(single));
        (0..1_000).for_each(|_| omitted.add(&[0xff; 255]));
        let message = omitted.message().unwrap();
        assert!(
            message.starts_with(r"the listing of `data` omits 1001 names that are not UTF-8")
                && message.ends_with(" and 997 more")
        );
        assert!(message.contains("…`") && message.len() < 400, "{message}");
    }
}
