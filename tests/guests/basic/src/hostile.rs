//! Responsible for taking more than is fair: time, memory, stack, output.
//! Leaves stopping it to the host.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;

use crate::Basic;
use crate::exports::test::basic::hostile::Guest;

const PAGE: usize = 64 * 1024;
const MIB: usize = 16 * PAGE;

impl Guest for Basic {
    fn spin() {
        loop {
            black_box(());
        }
    }

    fn grow(mib: u32) -> u32 {
        let mut blocks = Vec::new();
        for _ in 0..mib {
            let mut block = vec![0_u8; MIB];
            block.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            blocks.push(black_box(block));
        }
        black_box(&blocks);
        mib
    }

    fn recurse(n: u32) -> u32 {
        descend(n)
    }

    fn big(bytes: u32) -> Vec<u8> {
        (0..bytes).map(|at| at.to_le_bytes()[0]).collect()
    }

    fn flood(bytes: u64) -> u64 {
        let page = vec![b'x'; PAGE];
        let mut stdout = std::io::stdout();
        let mut taken = 0;
        while taken < bytes {
            let rest = usize::try_from(bytes - taken).unwrap_or(PAGE).min(PAGE);
            match stdout.write_all(&page[..rest]).and_then(|()| stdout.flush()) {
                Ok(()) => taken += rest as u64,
                Err(_) => break,
            }
        }
        taken
    }

    fn hold_open(path: String, n: u32) -> u32 {
        let held: Vec<File> = (0..n).map_while(|_| File::open(&path).ok()).collect();
        u32::try_from(held.len()).unwrap_or(u32::MAX)
    }
}

/// One frame of the stack for each step: what comes back is needed, so no loop can replace it.
fn descend(n: u32) -> u32 {
    if n == 0 { 0 } else { black_box(descend(black_box(n - 1))) + 1 }
}
