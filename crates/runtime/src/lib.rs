//! The command line of Flint: the binary `flint`.

pub mod cli;
