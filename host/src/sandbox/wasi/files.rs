//! The files of this process that a guest holds: each guest has a share of what the process may have open, so that what one
//! opens is never refused for what another has. How many the process may have is for `config`, the shares are for `load`.

use crate::sandbox::guard::LimitHit;
use crate::sandbox::state::State;
use crate::sandbox::wasi::listings::Listing;
use crate::sandbox::wasi::places::Places;
use std::fs::File;
use std::sync::{Arc, Weak};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::sockets::tcp::TcpSocket;

/// What one guest holds, each of which is a file of this process.
pub(crate) struct Files {
    most: usize,
    granted: usize,
    /// What it opened. Streams keep a file open whose descriptor is gone, so the files themselves are looked at.
    opened: Vec<Weak<File>>,
    pub(crate) sockets: Places<TcpSocket>,
    pub(crate) listings: Places<Listing>,
}

impl Files {
    /// The share of a guest with so many granted folders, which are open as long as it runs.
    pub(crate) fn new(most: usize, granted: usize) -> Result<Self, LimitHit> {
        let files = Self {
            most,
            granted,
            opened: Vec::new(),
            sockets: Places::default(),
            listings: Places::default(),
        };
        if granted > most { Err(files.full()) } else { Ok(files) }
    }

    /// Whether there is room for one more, beside so many connections.
    fn make_room(&mut self, connections: usize, table: &ResourceTable) -> Result<(), LimitHit> {
        if self.held() + connections < self.most {
            return Ok(());
        }
        self.opened.retain(|file| file.strong_count() > 0);
        self.sockets.sweep(table);
        self.listings.sweep(table);
        if self.held() + connections < self.most { Ok(()) } else { Err(self.full()) }
    }

    /// How many there are, those included that have gone since there was last no room.
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

impl State {
    /// Fails where the guest holds as many files of this process as it may.
    pub(crate) fn make_room(&mut self) -> Result<(), LimitHit> {
        let connections = self.connections();
        self.files.make_room(connections, &self.table)
    }

    /// Counts a file that the guest has opened.
    pub(crate) fn keep_file(
        &mut self,
        opened: Resource<Descriptor>,
    ) -> wasmtime::Result<Resource<Descriptor>> {
        let file = match self.table.get(&opened)? {
            Descriptor::File(file) => Arc::downgrade(&file.file),
            Descriptor::Dir(folder) => Arc::downgrade(&folder.dir),
        };
        self.files.opened.push(file);
        Ok(opened)
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
            files.opened.push(Arc::downgrade(&file));
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
