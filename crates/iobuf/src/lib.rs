//! Aligned, initialised memory that may be lent to the kernel, one owner at a time.
//!
//! A [`Pool`] is one anonymous mapping cut into places of equal size. A [`Lease`] owns one place: whoever holds
//! it may read and write the bytes, and moving it into a read request lends the bytes to the kernel
//! until the completion moves it back. Ownership, not a protocol, keeps compute off memory that a
//! device is writing to.
//!
//! ```
//! use flint_iobuf::Pool;
//!
//! let pool = Pool::new(2, 4096).unwrap();
//! let mut a = pool.take().unwrap();
//! a[0] = 7;
//! let _b = pool.take().unwrap();
//! assert!(pool.take().is_none());
//! drop(a); // returns the place
//! assert_eq!(pool.take().unwrap().index(), 0);
//! ```

mod mapping;
mod pool;

pub use mapping::{MapError, PAGE};
pub use pool::{Lease, Pool};
