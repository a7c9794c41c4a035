//! Why a server cannot start or go on.

use std::io;
use std::net::SocketAddr;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The system refuses what a server needs.
    #[error("cannot serve: {cause}")]
    System {
        /// What it said.
        cause: io::Error,
    },
}
