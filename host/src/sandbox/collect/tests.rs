//! Tests of what a command leaves.
//! `command_tests` runs programs.
