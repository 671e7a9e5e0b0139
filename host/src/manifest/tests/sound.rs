//! What is right: the contract's own example, defaults, and how `[defaults]` lie under a task's own keys.

