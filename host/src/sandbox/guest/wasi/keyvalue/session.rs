//! Quotas of one guest's `wasi:keyvalue` state on the host: cursors, and values kept for compare-and-swap.
//! `bucket` performs the operations.

use crate::sandbox::guest::wasi::keyvalue::error::KeyvalueError;
use crate::state::Key;
use bytes::Bytes;
use std::collections::VecDeque;

/// Maximum number of remembered cursors of a guest. A guest that lists a bucket needs only the last one.
const MAX_CURSORS: usize = 256;

/// Maximum size of the values kept for compare-and-swap, in bytes: there may be thousands of handles with one each.
const MAX_HELD: usize = 8 << 20;

/// Cost of a kept value beyond its own bytes.
const HANDLE_COST: usize = 256;

/// State of one guest.
#[derive(Default)]
pub(crate) struct KeyvalueSession {
    cursors: VecDeque<(u64, Key)>,
    last: u64,
    held: usize,
}

impl KeyvalueSession {
    /// Remembers the end of a page and returns its cursor, for the draft whose cursors are numbers.
    pub(crate) fn remember_cursor(&mut self, key: Key) -> u64 {
        self.last += 1;
        if self.cursors.len() >= MAX_CURSORS {
            self.cursors.pop_front();
        }
        self.cursors.push_back((self.last, key));
        self.last
    }

    /// Returns the end of the page that belongs to a cursor. Fails if the cursor is too old.
    pub(crate) fn key_after(&self, cursor: u64) -> Result<Key, KeyvalueError> {
        let end = self.cursors.iter().find(|(number, _)| *number == cursor);
        end.map(|(_, key)| key.clone()).ok_or_else(|| {
            KeyvalueError::Other(format!(
                "the cursor {cursor} is not one of the last {MAX_CURSORS} of this call; start again without a cursor"
            ))
        })
    }

    /// Counts a value that is kept from now on. Fails if the quota is exceeded.
    pub(crate) fn hold(&mut self, value: Option<&Bytes>) -> Result<(), KeyvalueError> {
        let held = self.held + cost(value);
        if held > MAX_HELD {
            return Err(KeyvalueError::Other(format!(
                "the `cas` handles hold more than {} MiB of values; drop unneeded handles",
                MAX_HELD >> 20
            )));
        }
        self.held = held;
        Ok(())
    }

    /// Stops counting a value.
    pub(crate) fn release(&mut self, value: Option<&Bytes>) {
        self.held = self.held.saturating_sub(cost(value));
    }
}

fn cost(value: Option<&Bytes>) -> usize {
    value.map_or(0, Bytes::len) + HANDLE_COST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T>(result: Result<T, KeyvalueError>) -> String {
        match result {
            Err(KeyvalueError::Other(text)) => text,
            _ => panic!("an error was expected"),
        }
    }

    #[test]
    fn cursors_are_valid_until_newer_ones_replace_them() {
        let mut session = KeyvalueSession::default();
        let key = |index: usize| Key::new(&index.to_string()).unwrap();
        let cursors: Vec<u64> = (0..=MAX_CURSORS).map(|index| session.remember_cursor(key(index))).collect();
        assert!(refused(session.key_after(cursors[0])).contains("the last 256"));
        for (index, cursor) in cursors.iter().enumerate().skip(1) {
            assert!(session.key_after(*cursor).is_ok_and(|end| end == key(index)));
        }
        assert!(session.key_after(0).is_err());
    }

    #[test]
    fn held_values_are_bounded_in_total() {
        let mut session = KeyvalueSession::default();
        let value = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..7 {
            assert!(session.hold(Some(&value)).is_ok());
        }
        assert!(refused(session.hold(Some(&value))).contains("8 MiB"));
        session.release(Some(&value));
        assert!(session.hold(Some(&value)).is_ok());
        let mut session = KeyvalueSession::default();
        let handles = (0..1_000_000).take_while(|_| session.hold(None).is_ok()).count();
        assert_eq!(handles, MAX_HELD / HANDLE_COST, "handles without a value count too");
    }
}
