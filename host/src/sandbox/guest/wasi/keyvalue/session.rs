//! Quotas of one guest's `wasi:keyvalue` state on the host: cursors, and values kept for compare-and-swap.
//! `bucket` performs the operations.

use crate::sandbox::guest::wasi::keyvalue::error::KeyvalueError;
use crate::state::Key;
use bytes::Bytes;
use std::collections::VecDeque;

/// Maximum number of remembered cursors of a guest. A guest that lists a bucket needs only the last one.
const MAX_ENDS: usize = 256;

/// Maximum size of the values kept for compare-and-swap, in bytes: there may be thousands of handles with one each.
const MAX_HELD: usize = 8 << 20;

/// Cost of a kept value beyond its own bytes.
const HANDLE_COST: usize = 256;

/// State of one guest.
#[derive(Default)]
pub(crate) struct KeyvalueSession {
    ends: VecDeque<(u64, Key)>,
    last: u64,
    held: usize,
}

impl KeyvalueSession {
    /// Remembers the end of a page and returns its cursor, for the draft whose cursors are numbers.
    pub(crate) fn end(&mut self, key: Key) -> u64 {
        self.last += 1;
        if self.ends.len() >= MAX_ENDS {
            self.ends.pop_front();
        }
        self.ends.push_back((self.last, key));
        self.last
    }

    /// Returns the end of the page that belongs to a cursor. Fails if the cursor is too old.
    pub(crate) fn after(&self, cursor: u64) -> Result<Key, KeyvalueError> {
        let end = self.ends.iter().find(|(number, _)| *number == cursor);
        end.map(|(_, key)| key.clone()).ok_or_else(|| {
            KeyvalueError::Other(format!(
                "the cursor {cursor} is not one of the last {MAX_ENDS} that this call was given; begin without one"
            ))
        })
    }

    /// Counts a value that is kept from now on. Fails if the quota is exceeded.
    pub(crate) fn hold(&mut self, value: Option<&Bytes>) -> Result<(), KeyvalueError> {
        let held = self.held + cost(value);
        if held > MAX_HELD {
            return Err(KeyvalueError::Other(format!(
                "the handles of `cas` hold more than {} MiB of values; drop those that are not needed",
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
            _ => panic!("this was to be refused"),
        }
    }

    #[test]
    fn ends_of_pages_are_known_until_others_have_taken_their_place() {
        let mut shelf = KeyvalueSession::default();
        let key = |at: usize| Key::new(&at.to_string()).unwrap();
        let cursors: Vec<u64> = (0..=MAX_ENDS).map(|at| shelf.end(key(at))).collect();
        assert!(refused(shelf.after(cursors[0])).contains("the last 256"));
        for (at, cursor) in cursors.iter().enumerate().skip(1) {
            assert!(shelf.after(*cursor).is_ok_and(|end| end == key(at)));
        }
        assert!(shelf.after(0).is_err());
    }

    #[test]
    fn values_that_are_held_are_bounded_together() {
        let mut shelf = KeyvalueSession::default();
        let value = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..7 {
            assert!(shelf.hold(Some(&value)).is_ok());
        }
        assert!(refused(shelf.hold(Some(&value))).contains("8 MiB"));
        shelf.release(Some(&value));
        assert!(shelf.hold(Some(&value)).is_ok());
        let mut shelf = KeyvalueSession::default();
        let handles = (0..1_000_000).take_while(|_| shelf.hold(None).is_ok()).count();
        assert_eq!(handles, MAX_HELD / HANDLE_COST, "handles without a value count too");
    }
}
