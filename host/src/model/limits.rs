//! The limits of one call, as a manifest sets them and the sandbox enforces them.
//! The timeout is separate: it also bounds host calls that wait.

use crate::model::size::Size;

/// Maximum number of entries in a list of limits, an entry an attempt. The ledger keeps the position in four bits.
pub const MAX_BY_ATTEMPT: usize = 16;

/// The `limits` of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories, tables and private files of the call together; 256MiB by default.
    pub memory: Size,
    /// Units of wasmtime's fuel; `None` means that fuel is not counted.
    pub fuel: Option<u64>,
    /// The encoded result, and the stdout that it is made of; 64MiB by default.
    pub output: Size,
    /// Guest output to stdout, stderr and `wasi:logging` together; 1MiB by default.
    pub logs: Size,
    /// The guest's stack; 512KiB by default.
    pub stack: Stack,
    /// The private disk of the call, `/tmp` and a command's working directory; 256MiB by default.
    pub disk: Size,
}

impl Limits {
    /// Returns the memory of the host that a call with these limits may take: its memory, and what its stack has beyond
    /// the smallest one. That is in the reserve of the host, as all calls have it.
    #[must_use]
    pub fn host_memory(&self) -> Size {
        let beyond = self.stack.size().as_bytes() - Stack::Small.size().as_bytes();
        Size::bytes(self.memory.as_bytes().saturating_add(beyond))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Size::bytes(256 << 20),
            fuel: None,
            output: Size::bytes(64 << 20),
            logs: Size::bytes(1 << 20),
            stack: Stack::Small,
            disk: Size::bytes(256 << 20),
        }
    }
}

/// Size of a guest's stack. There are few, because each needs engines of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stack {
    /// 512KiB.
    Small,
    /// 2MiB.
    Medium,
    /// 8MiB.
    Large,
}

impl Stack {
    /// All sizes, from the smallest to the largest.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Returns the size.
    #[must_use]
    pub const fn size(self) -> Size {
        Size::bytes(match self {
            Self::Small => 512 << 10,
            Self::Medium => 2 << 20,
            Self::Large => 8 << 20,
        })
    }

    /// Returns the smallest stack of at least this size; `None` if there is none.
    #[must_use]
    pub fn at_least(size: Size) -> Option<Self> {
        Self::ALL.into_iter().find(|stack| stack.size() >= size)
    }

    /// Returns the next larger stack.
    #[must_use]
    pub fn larger(self) -> Option<Self> {
        Self::ALL.into_iter().find(|stack| *stack > self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_stack_counts_in_the_memory_of_the_host() {
        let limits = |stack| Limits { memory: Size::bytes(1 << 20), stack, ..Limits::default() };
        let memory = Stack::ALL.map(|stack| limits(stack).host_memory().to_string());
        assert_eq!(memory, ["1MiB", "2560KiB", "8704KiB"]);
    }

    #[test]
    fn stack_is_rounded_up_to_one_of_three() {
        let rounded =
            |text| Stack::at_least(Size::parse(text).unwrap()).map(|stack| stack.size().to_string());
        let cases =
            [("1B", "512KiB"), ("512KiB", "512KiB"), ("513KiB", "2MiB"), ("2MiB", "2MiB"), ("8MiB", "8MiB")];
        for (written, size) in cases {
            assert_eq!(rounded(written).as_deref(), Some(size), "{written}");
        }
        assert_eq!(rounded("8193KiB"), None);
        assert_eq!([Stack::Small.larger(), Stack::Large.larger()], [Some(Stack::Medium), None]);
    }
}
