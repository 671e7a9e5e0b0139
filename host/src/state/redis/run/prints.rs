//! Fingerprints of tasks by name, as they are stored to be compared with those of another plan.
//! `layout` and `offers` decide what an unchanged one keeps.

use crate::state::{RunShape, TaskShape};

/// Number of stored bytes of a fingerprint.
const PRINT: usize = 16;

/// Encodes fingerprints by name.
pub(crate) fn prints(shape: &RunShape) -> Vec<u8> {
    let mut bytes = Vec::new();
    for task in &shape.tasks {
        let name = task.name.as_str().as_bytes();
        bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.extend(name);
        bytes.extend(task.fingerprint.as_bytes().iter().take(PRINT));
    }
    bytes
}

/// Decodes names and fingerprints, in the order of the tasks. Unreadable ones are left out, so their results become invalid.
pub(crate) fn read_prints(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut prints = Vec::new();
    while let Some((len, rest)) = bytes.split_first() {
        let len = usize::from(*len);
        let (Some(name), Some(print)) = (rest.get(..len), rest.get(len..len + PRINT)) else {
            break;
        };
        prints.push((name, print));
        bytes = rest.get(len + PRINT..).unwrap_or_default();
    }
    prints
}

/// Returns whether a task has this fingerprint.
pub(crate) fn has_print(task: &TaskShape, print: Option<&[u8]>) -> bool {
    print.is_some() && print == task.fingerprint.as_bytes().get(..PRINT)
}
