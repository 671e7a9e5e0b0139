//! Names of files that are no text: WASI has no way to tell a guest of them, and its operator is told in the task's log.
//! Folders are read by `listings`.

use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::below;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, HostDescriptor as _};

/// The interface in wasmtime's version of WASI 0.2: the text of a link is shadowed.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Names that are told of one listing; others are counted.
const MAX_TOLD: usize = 4;

/// The longest of them that is told whole, in characters.
const MAX_NAME: usize = 48;

/// The longest name of their folder.
const MAX_FOLDER: usize = 80;

/// Links the text of a link over wasmtime's, which does not tell why there is none.
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
        let below = self.table.get(&folder)?.clone();
        let code = match self.filesystem().readlink_at(folder, path.clone()).await {
            Ok(text) => return Ok(Ok(text)),
            Err(error) => error.downcast()?,
        };
        if let (ErrorCode::IllegalByteSequence, Descriptor::Dir(below), Some(line)) =
            (code, below, self.files.line().cloned())
        {
            let link = path.chars().take(MAX_NAME).collect::<String>();
            let open = Arc::clone(&below.dir);
            let text = line.call(move || below::link_text(&open, &path)).await;
            let to = text.map_or_else(|_| String::new(), |text| format!(", {},", shown(&text)));
            let told = format!(
                "what the link `{link}` leads to{to} is no UTF-8 text, and cannot be told to a guest"
            );
            self.refusals().log_once(&told);
        }
        Ok(Err(code))
    }
}

/// What a listing does not tell its guest.
pub(crate) struct LeftOut {
    folder: String,
    count: usize,
    first: Vec<String>,
}

impl LeftOut {
    /// Nothing yet, of a folder that the guest names so.
    pub(crate) fn of(folder: &str) -> Self {
        Self { folder: folder.chars().take(MAX_FOLDER).collect(), count: 0, first: Vec::new() }
    }

    /// Leaves out a name.
    pub(crate) fn add(&mut self, name: &[u8]) {
        self.count += 1;
        if self.first.len() < MAX_TOLD {
            self.first.push(shown(name));
        }
    }

    /// What is told of it; none where nothing was left out.
    pub(crate) fn told(&self) -> Option<String> {
        let Self { folder, count, first } = self;
        let more = match count.checked_sub(first.len())? {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = first.join(", ");
        match count {
            0 => None,
            1 => Some(format!(
                "a name in `{folder}` is no UTF-8 text, and was left out of its listing: {first}"
            )),
            _ => Some(format!(
                "{count} names in `{folder}` are no UTF-8 text, and were left out of its listing: {first}{more}"
            )),
        }
    }
}

/// A name with everything escaped that is no printable ASCII.
fn shown(name: &[u8]) -> String {
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
    fn few_names_are_told_and_all_are_counted() {
        let mut left_out = LeftOut::of("data");
        assert_eq!(left_out.told(), None);
        left_out.add(b"b\xe9d");
        let one = r"a name in `data` is no UTF-8 text, and was left out of its listing: `b\xe9d`";
        assert_eq!(left_out.told().as_deref(), Some(one));
        (0..1_000).for_each(|_| left_out.add(&[0xff; 255]));
        let told = left_out.told().unwrap();
        assert!(
            told.starts_with(r"1001 names in `data` are no UTF-8 text") && told.ends_with(" and 997 more")
        );
        assert!(told.contains("…`") && told.len() < 400, "{told}");
    }
}
