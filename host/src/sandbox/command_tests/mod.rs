//! Tests of commands: what a program gets, what becomes its result, and how it ends.
//! `collect` and `guest/program` have unit tests of their own.

mod trial;
mod feeds;
mod results;
mod hostile;
