//! Places of equal size in one mapping, and the leases that own them one at a time.
#![expect(unsafe_code, reason = "slices of a mapping: see docs/UNSAFE.md")]

use crate::mapping::{MapError, Mapping};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// A fixed number of places of equal size. Cloning shares the places.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mapping: Mapping,
    place_bytes: usize,
    places: u32,
    /// Places nobody holds; the last is handed out next.
    free: Mutex<Vec<u32>>,
}

impl Pool {
    /// Maps `places` x `place_bytes` of zeroed memory. The first place starts on a page; the others are as
    /// aligned as `place_bytes` is. Nothing is touched until it is used.
    ///
    /// # Errors
    /// When the product overflows or the system refuses.
    pub fn new(places: u32, place_bytes: usize) -> Result<Pool, MapError> {
        let bytes = place_bytes.checked_mul(places as usize).ok_or_else(|| MapError {
            bytes: usize::MAX,
            cause: std::io::ErrorKind::OutOfMemory.into(),
        })?;
        let shared = Shared {
            mapping: Mapping::new(bytes)?,
            place_bytes,
            places,
            free: Mutex::new((0..places).rev().collect()),
        };
        Ok(Pool { shared: Arc::new(shared) })
    }

    /// Takes a free place; `None` when all are held. Its bytes are whatever the last owner left.
    pub fn take(&self) -> Option<Lease> {
        let place = self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Lease { shared: Arc::clone(&self.shared), place })
    }

    /// How many places nobody holds.
    pub fn available(&self) -> usize {
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many places there are.
    pub fn places(&self) -> u32 {
        self.shared.places
    }

    /// Bytes of each place.
    pub fn place_bytes(&self) -> usize {
        self.shared.place_bytes
    }
}

/// Sole owner of one place of a pool. Dropping it returns the place.
#[derive(Debug)]
pub struct Lease {
    shared: Arc<Shared>,
    place: u32,
}

impl Lease {
    /// A buffer of its own: a pool of one place.
    ///
    /// # Errors
    /// When the system refuses the memory.
    pub fn alone(bytes: usize) -> Result<Lease, MapError> {
        let pool = Pool::new(1, bytes)?;
        Ok(pool.take().unwrap_or_else(|| unreachable!("a new pool of one has a free place")))
    }

    /// Index of the place in its pool.
    pub fn index(&self) -> u32 {
        self.place
    }

    /// Address of the first byte, for a system call that fills the place while the lease is kept aside.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start()
    }

    fn start(&self) -> *mut u8 {
        let offset = self.place as usize * self.shared.place_bytes;
        // SAFETY: `place` is below `places`, so the offset lies inside the mapping.
        unsafe { self.shared.mapping.start().as_ptr().add(offset) }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the place lies inside the mapping, which lives as long as the Arc; its bytes are
        // initialised (zeroed by the kernel, then written by owners); and this lease is the only one for
        // the place: the free list hands out each index once until it is returned by Drop.
        unsafe { std::slice::from_raw_parts(self.start(), self.shared.place_bytes) }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for Deref, and `&mut self` excludes every other access through this lease.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.shared.place_bytes) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PAGE;

    #[test]
    fn places_are_zeroed_aligned_and_apart() {
        let pool = Pool::new(3, 1024).unwrap();
        let mut leases: Vec<Lease> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(leases.len(), 3);
        assert_eq!(leases[0].as_ptr() as usize % PAGE, 0);
        for lease in &mut leases {
            assert!(lease.iter().all(|&byte| byte == 0));
            let mark = lease.index() as u8 + 1;
            lease.fill(mark);
        }
        for lease in &leases {
            assert!(lease.iter().all(|&byte| byte == lease.index() as u8 + 1));
        }
    }

    #[test]
    fn a_dropped_lease_returns_its_place_even_from_another_thread() {
        let pool = Pool::new(1, 64).unwrap();
        let lease = pool.take().unwrap();
        assert_eq!(pool.available(), 0);
        std::thread::spawn(move || drop(lease)).join().unwrap();
        assert_eq!(pool.available(), 1);
    }

    #[test]
    fn a_lease_outlives_its_pool() {
        let pool = Pool::new(1, 64).unwrap();
        let mut lease = pool.take().unwrap();
        drop(pool);
        lease.fill(9);
        assert_eq!(lease[63], 9);
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri ends at once where memory cannot be had")]
    fn an_impossible_size_is_an_error() {
        assert!(Pool::new(u32::MAX, usize::MAX / 2).is_err());
        assert!(Lease::alone(1 << 60).is_err());
    }
}
