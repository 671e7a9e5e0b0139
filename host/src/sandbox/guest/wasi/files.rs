//! Quota of open files: each guest has its share of the process's files, so that no guest uses up another's.
//! `config` determines how many the process may open, and `load` divides them.

use crate::sandbox::guest::limits::LimitHit;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::blocking::{BlockingCalls, GuestCalls};
use crate::sandbox::guest::wasi::handle_quota::HandleQuota;
use crate::sandbox::guest::wasi::listings::OpenListing;
use std::any::Any;
use std::fs::File;
use std::sync::{Arc, Weak};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::sockets::tcp::TcpSocket;

/// Everything a guest holds that is an open file of this process.
pub(crate) struct Files {
    max: usize,
    granted: usize,
    /// Granted folders that the guest has requested.
    folders: Vec<TrackedFile>,
    /// Files and folders that the guest opened. Streams keep a file open after its descriptor is dropped, so the files
    /// themselves are tracked.
    opened: Vec<TrackedFile>,
    pub(crate) sockets: HandleQuota<TcpSocket>,
    /// Listings of folders.
    pub(crate) listings: HandleQuota<OpenListing>,
    /// Blocking calls; none if no folder is granted.
    blocking: Option<GuestCalls>,
}

/// A file or folder that the guest may hold.
struct TrackedFile {
    file: Weak<File>,
    /// Path by which the guest knows a folder; none for a file.
    folder: Option<String>,
}

impl Files {
    /// Creates a quota of `max` files, of which `granted` folders are open for the whole call.
    pub(crate) fn new(max: usize, granted: usize) -> Result<Self, LimitHit> {
        let files = Self {
            max,
            granted,
            folders: Vec::new(),
            opened: Vec::new(),
            sockets: HandleQuota::default(),
            listings: HandleQuota::default(),
            blocking: None,
        };
        if granted > max { Err(files.quota_reached()) } else { Ok(files) }
    }

    /// Sets the blocking calls of the guest.
    pub(crate) fn set_blocking(&mut self, blocking: GuestCalls) {
        self.blocking = Some(blocking);
    }

    /// Returns the handle that makes blocking calls for the guest; none if it has no folder.
    pub(crate) fn blocking_calls(&self) -> Option<&BlockingCalls> {
        self.blocking.as_ref().map(GuestCalls::calls)
    }

    /// Returns the path by which the guest knows an open folder.
    pub(crate) fn folder_name(&self, folder: &Arc<File>) -> Option<&str> {
        let is_same = |opened: &&TrackedFile| std::ptr::eq(opened.file.as_ptr(), Arc::as_ptr(folder));
        self.folders.iter().chain(&self.opened).find(is_same)?.folder.as_deref()
    }

    /// Fails if no more file may be opened, given the number of connections.
    fn reserve_file(&mut self, connections: usize, table: &ResourceTable) -> Result<(), LimitHit> {
        if self.count() + connections < self.max {
            return Ok(());
            // Only a full quota is worth a sweep over all handles.
        }
        self.opened.retain(|opened| opened.file.strong_count() > 0);
        self.sockets.sweep(table);
        self.listings.sweep(table);
        if self.count() + connections < self.max { Ok(()) } else { Err(self.quota_reached()) }
    }

    /// Returns the count, including files that were closed since the last sweep.
    const fn count(&self) -> usize {
        self.granted + self.opened.len() + self.sockets.count() + self.listings.count()
    }

    fn quota_reached(&self) -> LimitHit {
        LimitHit::Other(format!(
            "the limit of {} open files per guest reached: the guest opens more; raise it with `ulimit -n`, or run fewer \
             tasks at the same time with `-j`",
            self.max
        ))
    }
}

/// Whatever still holds a file of a dropped guest is an unfinished call.
impl Drop for Files {
    fn drop(&mut self) {
        if let Some(blocking) = &mut self.blocking {
            let opened = self.folders.iter().chain(&self.opened);
            blocking.abandon(opened.map(|opened| {
                let file: Weak<dyn Any + Send + Sync> = Weak::<File>::clone(&opened.file);
                file
            }));
        }
    }
}

impl State {
    /// Fails if the guest's quota of open files is used up.
    pub(crate) fn reserve_file(&mut self) -> Result<(), LimitHit> {
        let connections = self.connections();
        self.files.reserve_file(connections, &self.table)
    }

    /// Counts a file or folder that the guest has opened. `name` is the path by which the guest knows it.
    pub(crate) fn track_file(
        &mut self,
        opened: Resource<Descriptor>,
        name: String,
    ) -> wasmtime::Result<Resource<Descriptor>> {
        let opened_file = tracked(self.table.get(&opened)?, name);
        self.files.opened.push(opened_file);
        Ok(opened)
    }

    /// Returns the granted folders and those of the private disk, each with the path by which the guest knows it.
    pub(crate) fn granted_folders(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let granted = self.filesystem().get_directories()?;
        for (folder, name) in &granted {
            let folder = tracked(self.table.get(folder)?, name.clone());
            // A guest may request the folders repeatedly; they are counted once.
            if !self.files.folders.iter().any(|known| Weak::ptr_eq(&known.file, &folder.file)) {
                self.files.folders.push(folder);
            }
        }
        let names: Vec<String> = granted.iter().map(|(_, name)| name.clone()).collect();
        let private = self.disk_folders(&names)?;
        let (first, last) =
            if self.has_working_directory() { (private, granted) } else { (granted, private) };
        Ok(first.into_iter().chain(last).collect())
    }
}

fn tracked(opened: &Descriptor, name: String) -> TrackedFile {
    match opened {
        Descriptor::File(file) => TrackedFile { file: Arc::downgrade(&file.file), folder: None },
        Descriptor::Dir(folder) => TrackedFile { file: Arc::downgrade(&folder.dir), folder: Some(name) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_files_free_the_quota() {
        let (table, mut files) = (ResourceTable::new(), Files::new(5, 1).unwrap());
        let mut held = Vec::new();
        for _ in 0..4 {
            files.reserve_file(0, &table).unwrap();
            let file = Arc::new(tempfile::tempfile().unwrap());
            files.opened.push(TrackedFile { file: Arc::downgrade(&file), folder: None });
            held.push(file);
        }
        let quota_reached = files.reserve_file(0, &table).unwrap_err().to_string();
        assert!(quota_reached.starts_with("the limit of 5 open files per guest reached"), "{quota_reached}");
        held.pop();
        files.reserve_file(0, &table).unwrap();
        assert!(files.reserve_file(1, &table).is_err(), "connections count too");
        assert!(Files::new(5, 6).is_err(), "granted folders count too");
    }
}
