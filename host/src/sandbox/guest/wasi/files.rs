//! Quota of open files: each guest has its share of the process's files, so that no guest uses up another's.
//! `config` determines how many the process may open, and `load` divides them.

use crate::sandbox::guest::limits::LimitHit;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::blocking::{Blocking, Line};
use crate::sandbox::guest::wasi::handle_quota::HandleQuota;
use crate::sandbox::guest::wasi::listings::Listing;
use std::any::Any;
use std::fs::File;
use std::sync::{Arc, Weak};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::sockets::tcp::TcpSocket;

/// Everything a guest holds that is an open file of this process.
pub(crate) struct Files {
    most: usize,
    granted: usize,
    /// The granted folders that the guest has asked for.
    folders: Vec<Opened>,
    /// What it opened. Streams keep a file open whose descriptor is gone, so the files themselves are looked at.
    opened: Vec<Opened>,
    pub(crate) sockets: HandleQuota<TcpSocket>,
    /// Listings of folders.
    pub(crate) listings: HandleQuota<Listing>,
    /// None where no folder is granted: there is nothing to wait for then.
    blocking: Option<Blocking>,
}

/// A file or folder that the guest may hold.
struct Opened {
    file: Weak<File>,
    /// How the guest names it; none for a file.
    folder: Option<String>,
}

impl Files {
    /// Creates a quota of `most` files, of which `granted` folders are open for the whole call.
    pub(crate) fn new(most: usize, granted: usize) -> Result<Self, LimitHit> {
        let files = Self {
            most,
            granted,
            folders: Vec::new(),
            opened: Vec::new(),
            sockets: HandleQuota::default(),
            listings: HandleQuota::default(),
            blocking: None,
        };
        if granted > most { Err(files.full()) } else { Ok(files) }
    }

    /// The guest waits for the system by these calls.
    pub(crate) fn wait_by(&mut self, blocking: Blocking) {
        self.blocking = Some(blocking);
    }

    /// Who makes calls for the guest that may block; none where it has no folder.
    pub(crate) fn line(&self) -> Option<&Line> {
        self.blocking.as_ref().map(Blocking::line)
    }

    /// How the guest names an open folder.
    pub(crate) fn name_of(&self, folder: &Arc<File>) -> Option<&str> {
        let is_it = |opened: &&Opened| std::ptr::eq(opened.file.as_ptr(), Arc::as_ptr(folder));
        self.folders.iter().chain(&self.opened).find(is_it)?.folder.as_deref()
    }

    /// Whether there is room for one more, beside so many connections.
    fn make_room(&mut self, connections: usize, table: &ResourceTable) -> Result<(), LimitHit> {
        if self.held() + connections < self.most {
            return Ok(());
            // Only a full quota is worth a sweep over all handles.
        }
        self.opened.retain(|opened| opened.file.strong_count() > 0);
        self.sockets.sweep(table);
        self.listings.sweep(table);
        if self.held() + connections < self.most { Ok(()) } else { Err(self.full()) }
    }

    /// Returns the count, including files that were closed since the last sweep.
    const fn held(&self) -> usize {
        self.granted + self.opened.len() + self.sockets.count() + self.listings.count()
    }

    fn full(&self) -> LimitHit {
        LimitHit(format!(
            "the open files that this host has for each guest, {}, reached: the guest opens more; raise it with `ulimit -n`, \
             or run fewer tasks at the same time with `-j`",
            self.most
        ))
    }
}

/// What still holds a file of a guest that is gone is a call that has not returned.
impl Drop for Files {
    fn drop(&mut self) {
        if let Some(blocking) = &mut self.blocking {
            let opened = self.folders.iter().chain(&self.opened);
            blocking.leave(opened.map(|opened| {
                let file: Weak<dyn Any + Send + Sync> = Weak::<File>::clone(&opened.file);
                file
            }));
        }
    }
}

impl State {
    /// Fails if the guest's quota of open files is used up.
    pub(crate) fn make_room(&mut self) -> Result<(), LimitHit> {
        let connections = self.connections();
        self.files.make_room(connections, &self.table)
    }

    /// Counts a file or folder that the guest has opened; `name` is how it names it.
    pub(crate) fn keep_file(
        &mut self,
        opened: Resource<Descriptor>,
        name: String,
    ) -> wasmtime::Result<Resource<Descriptor>> {
        let opened_file = opened_as(self.table.get(&opened)?, name);
        self.files.opened.push(opened_file);
        Ok(opened)
    }

    /// The granted folders, each with its name.
    pub(crate) fn granted_folders(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let granted = self.filesystem().get_directories()?;
        for (folder, name) in &granted {
            let folder = opened_as(self.table.get(folder)?, name.clone());
            // A guest may ask again and again: it is given the same ones.
            if !self.files.folders.iter().any(|known| Weak::ptr_eq(&known.file, &folder.file)) {
                self.files.folders.push(folder);
            }
        }
        Ok(granted)
    }
}

fn opened_as(opened: &Descriptor, name: String) -> Opened {
    match opened {
        Descriptor::File(file) => Opened { file: Arc::downgrade(&file.file), folder: None },
        Descriptor::Dir(folder) => Opened { file: Arc::downgrade(&folder.dir), folder: Some(name) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_closed_make_room_and_others_do_not() {
        let (table, mut files) = (ResourceTable::new(), Files::new(5, 1).unwrap());
        let mut held = Vec::new();
        for _ in 0..4 {
            files.make_room(0, &table).unwrap();
            let file = Arc::new(tempfile::tempfile().unwrap());
            files.opened.push(Opened { file: Arc::downgrade(&file), folder: None });
            held.push(file);
        }
        let full = files.make_room(0, &table).unwrap_err().to_string();
        assert!(full.starts_with("the open files that this host has for each guest, 5, reached"), "{full}");
        held.pop();
        files.make_room(0, &table).unwrap();
        assert!(files.make_room(1, &table).is_err(), "a connection is one as well");
        assert!(Files::new(5, 6).is_err(), "and so is a granted folder");
    }
}
