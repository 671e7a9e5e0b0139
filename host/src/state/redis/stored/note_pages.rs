//! Pages of notes in Redis: the notes of up to [`PER_PAGE`] elements share one field of a hash.
//! The script `append.lua` merges new entries into pages; the form of a note is in `state/notes/form.rs`.
//!
//! # The form
//!
//! A hash field of its own takes some 100 bytes of Redis beside its content, so elements share fields. A page begins with
//! [`MARK`] and [`VERSION`], and has entries, which may include some that later ones have replaced:
//!
//! | bytes | content |
//! |---|---|
//! | 1 | the position in the page: the last index of the node's name, modulo [`PER_PAGE`]; 0 for a name without index |
//! | 1 | [`FAILED_ATTEMPT`] or [`OTHER`] |
//! | 4 | the epoch |
//! | 4 | the number of the host: see [`host_number`] |
//! | 2 | the length of the note |
//! | … | the note |
//!
//! The field is named like its first node, with `~` behind the index: `count[128~]` has `count[128]` to `count[255]`.

use crate::model::Digest;
use crate::state::{HostId, Note, Phase, keep};
use std::collections::{BTreeMap, HashMap};

/// Elements in a page.
pub(crate) const PER_PAGE: u32 = 128;

/// Size at which a page is compacted, in bytes: that of its elements' notes, and as much again of those that others have
/// replaced.
pub(crate) const COMPACTED: usize = 12 << 10;

/// Field of the ids of hosts.
pub(crate) const HOSTS: &str = "#hosts";

/// First byte of a page: no MessagePack begins so, and earlier versions stored each note as MessagePack.
const MARK: u8 = 0xc1;

/// Version of the form of pages and notes. Pages of other versions are ignored, and replaced by the next note.
const VERSION: u8 = 2;

/// Kind of an entry that stays beside later ones.
const FAILED_ATTEMPT: u8 = 1;

/// Kind of an entry that the next one of its node replaces.
const OTHER: u8 = 0;

/// Length of an entry without its note.
const HEAD: usize = 12;

/// Notes of one page by position, those of each node oldest first.
pub(crate) type Notes = BTreeMap<u8, Vec<Note>>;

/// Returns the first bytes of every page.
pub(crate) const fn prefix() -> [u8; 2] {
    [MARK, VERSION]
}

/// Returns the field of a node's page, and the node's position in it.
pub(crate) fn place(name: &str) -> (String, u8) {
    let Some((head, index, tail)) = last_index(name) else { return (name.to_owned(), 0) };
    let first = index / PER_PAGE * PER_PAGE;
    (format!("{head}[{first}~]{tail}"), u8::try_from(index - first).unwrap_or_default())
}

/// Returns the name of the node at a position of a page; none for a field that is no page.
pub(crate) fn name(field: &str, position: u8) -> Option<String> {
    if field.starts_with('#') {
        return None;
    }
    let Some((head, rest)) = field.rsplit_once('[').filter(|(_, rest)| rest.contains('~')) else {
        return Some(field.to_owned());
    };
    let (first, tail) = rest.split_once("~]")?;
    let index = first.parse::<u32>().ok()?.checked_add(u32::from(position))?;
    Some(format!("{head}[{index}]{tail}"))
}

/// Splits a name at its last index: `clean[3]/count` has `clean`, 3 and `/count`.
fn last_index(name: &str) -> Option<(&str, u32, &str)> {
    let (head, rest) = name.rsplit_once('[')?;
    let (index, tail) = rest.split_once(']')?;
    Some((head, index.parse().ok()?, tail))
}

/// Returns the entries of new notes by the field of their page, in order.
pub(crate) fn entries(host: &HostId, notes: &[(String, Note)]) -> BTreeMap<String, Vec<u8>> {
    let number = host_number(host);
    let mut pages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, note) in notes {
        let (field, position) = place(name);
        let bytes = note.encode();
        // Texts in notes are bounded far below.
        let Ok(length) = u16::try_from(bytes.len()) else { continue };
        let kind = if note.phase == Phase::Retrying { FAILED_ATTEMPT } else { OTHER };
        let page = pages.entry(field).or_default();
        page.extend([position, kind]);
        page.extend(u32::try_from(note.epoch).unwrap_or(u32::MAX).to_be_bytes());
        page.extend(number.to_be_bytes());
        page.extend(length.to_be_bytes());
        page.extend(bytes);
    }
    pages
}

/// Decodes a page to the notes that are kept of each node, by position. Damaged notes are left out.
pub(crate) fn decode(page: &[u8], hosts: &Hosts) -> Notes {
    let mut notes = Notes::new();
    let mut rest = page.strip_prefix(&prefix()).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
        let [position, _kind, e0, e1, e2, e3, h0, h1, h2, h3, l0, l1] = *head;
        let Some((note, after)) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1]))) else {
            break;
        };
        let epoch = u64::from(u32::from_be_bytes([e0, e1, e2, e3]));
        let host = hosts.get(u32::from_be_bytes([h0, h1, h2, h3]));
        if let Some(note) = Note::decode(note, host, epoch) {
            keep(notes.entry(position).or_default(), note);
        }
        rest = after;
    }
    notes
}

/// Returns the number of a host in entries: four bytes of the digest of its id.
pub(crate) fn host_number(host: &HostId) -> u32 {
    let digest = Digest::of_bytes(host.0.as_bytes());
    digest.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The hosts of a run's notes by number.
#[derive(Debug, Default)]
pub(crate) struct Hosts(HashMap<u32, HostId>);

impl Hosts {
    /// Reads the stored form: ids, each with a newline behind it.
    pub(crate) fn read(text: &str) -> Self {
        let hosts = text.lines().map(|line| HostId(line.into()));
        Self(hosts.map(|host| (host_number(&host), host)).collect())
    }

    fn get(&self, number: u32) -> HostId {
        self.0.get(&number).cloned().unwrap_or_else(|| HostId("?".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_a_name_names_its_nodes() {
        let cases = [
            ("count", "count", 0),
            ("count[0]", "count[0~]", 0),
            ("count[130]", "count[128~]", 2),
            ("clean[300]/count", "clean[256~]/count", 44),
            ("clean[3]/count[129]", "clean[3]/count[128~]", 1),
            ("count[4294967295]", "count[4294967168~]", 127),
        ];
        for (node, field, position) in cases {
            assert_eq!(place(node), (field.to_owned(), position));
            assert_eq!(name(field, position).as_deref(), Some(node));
        }
        assert_eq!(name("#hosts", 0), None);
    }

    #[test]
    fn entries_are_decoded_with_their_hosts() {
        let host = HostId("box-1".into());
        let note = |phase, epoch| Note { epoch, ..Note::new(host.clone(), phase) };
        let notes = [
            ("count[1]".to_owned(), note(Phase::Retrying, 2)),
            ("count[127]".to_owned(), note(Phase::Done, 3)),
        ];
        let pages = entries(&host, &notes);
        let page = [&prefix()[..], &pages["count[0~]"]].concat();
        let expected = Notes::from([(1, vec![notes[0].1.clone()]), (127, vec![notes[1].1.clone()])]);
        assert_eq!(decode(&page, &Hosts::read("box-0\nbox-1\n")), expected);
        assert_eq!(decode(&page, &Hosts::default())[&1][0].host.0.as_ref(), "?");
        assert_eq!(decode(&page[..page.len() - 1], &Hosts::default()).len(), 1);
        assert_eq!(decode(&Note::new(host, Phase::Done).encode(), &Hosts::default()), Notes::new());
    }
}
