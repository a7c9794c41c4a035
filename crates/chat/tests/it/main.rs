//! Tests of the crate as its users see it.

mod answers;
mod conversations;
mod fixtures;
mod golden;
mod hostile;
mod origins;
mod sources;
mod tools;
