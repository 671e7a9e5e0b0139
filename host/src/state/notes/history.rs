//! Which notes of a node are kept: its latest one, its failed attempts, and how it ended in the epoch before.
//! The script `append.lua` does the same in Redis.

use crate::state::{Note, Phase};

/// Failed attempts of an epoch that are kept, the latest ones. A task may be retried a million times.
pub const MAX_FAILED_ATTEMPTS: usize = 16;

/// Adds a node's new note to those that are kept, oldest first.
///
/// Of the new note's epoch, only failed attempts stay beside it. Of earlier epochs, only the last note stays. A note of an
/// epoch that has passed is dropped: its host has lost the node.
pub(crate) fn keep(kept: &mut Vec<Note>, note: Note) {
    if kept.last().is_some_and(|last| last.epoch > note.epoch) {
        return;
    }
    let before = kept.iter().rposition(|other| other.epoch != note.epoch);
    let mut position = 0;
    kept.retain(|other| {
        let is_last_before = before == Some(position);
        position += 1;
        is_last_before || (other.epoch == note.epoch && other.phase == Phase::Retrying)
    });
    let attempts = kept.iter().filter(|other| other.epoch == note.epoch).count();
    if attempts >= MAX_FAILED_ATTEMPTS
        && let Some(oldest) = kept.iter().position(|other| other.epoch == note.epoch)
    {
        kept.remove(oldest);
    }
    kept.push(note);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::HostId;

    fn kept(notes: &[(u64, Phase)]) -> Vec<(u64, Phase)> {
        let mut kept = Vec::new();
        for (epoch, phase) in notes {
            let note = Note::new(HostId("h1".into()), *phase);
            keep(&mut kept, Note { epoch: *epoch, ..note });
        }
        kept.iter().map(|note| (note.epoch, note.phase)).collect()
    }

    #[test]
    fn latest_note_failed_attempts_and_the_epoch_before_are_kept() {
        use Phase::{Done, Ready, Retrying, Running};
        assert_eq!(kept(&[(1, Ready), (1, Running), (1, Done)]), [(1, Done)]);
        let attempts = [(1, Ready), (1, Retrying), (1, Running), (1, Retrying), (1, Running)];
        assert_eq!(kept(&attempts), [(1, Retrying), (1, Retrying), (1, Running)]);
        let epochs = [(1, Retrying), (1, Done), (2, Ready), (2, Done), (3, Running)];
        assert_eq!(kept(&epochs), [(2, Done), (3, Running)]);
        assert_eq!(kept(&[(2, Done), (1, Running)]), [(2, Done)]);
        let many: Vec<_> = (0..99).map(|_| (1, Retrying)).collect();
        assert_eq!(kept(&many).len(), MAX_FAILED_ATTEMPTS);
    }
}
