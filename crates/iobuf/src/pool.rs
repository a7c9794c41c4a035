//! Places of equal size in one mapping, and the leases that own them, or parts of them, one at a time.
#![expect(unsafe_code, reason = "slices of a mapping: see docs/UNSAFE.md")]

use crate::mapping::{MapError, Mapping};
use std::ops::{Deref, DerefMut, Range};
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
        let at = 0..self.shared.place_bytes;
        Some(Lease { shared: Arc::clone(&self.shared), place, at, parts: None })
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

/// Sole owner of one place of a pool, or of a part of one. The place is free again when all its parts are dropped.
#[derive(Debug)]
pub struct Lease {
    shared: Arc<Shared>,
    place: u32,
    /// Which bytes of the place.
    at: Range<usize>,
    /// Held by every part of a place that was split.
    parts: Option<Arc<()>>,
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

    /// Keeps the first `at` bytes and returns a lease of the others, so that several reads fill one place.
    ///
    /// # Panics
    /// When there are fewer than `at` bytes.
    pub fn split_off(&mut self, at: usize) -> Lease {
        assert!(at <= self.len(), "cut at {at} of {} bytes", self.len());
        let parts = Arc::clone(self.parts.get_or_insert_default());
        let middle = self.at.start + at;
        let rest = middle..self.at.end;
        self.at.end = middle;
        Lease { shared: Arc::clone(&self.shared), place: self.place, at: rest, parts: Some(parts) }
    }

    /// Undoes [`Lease::split_off`]: takes the bytes behind its own back.
    ///
    /// # Panics
    /// When `next` is not what lies behind.
    pub fn join(&mut self, mut next: Lease) {
        let neighbours = Arc::ptr_eq(&self.shared, &next.shared)
            && self.place == next.place
            && self.at.end == next.at.start;
        assert!(neighbours, "parts that do not lie one behind the other");
        self.at.end = next.at.end;
        // Now empty: what it gives back when it is dropped is its share alone.
        next.at.start = next.at.end;
    }

    fn start(&self) -> *mut u8 {
        let offset = self.place as usize * self.shared.place_bytes + self.at.start;
        // SAFETY: `place` is below `places` and `at` lies inside the place, so the offset lies inside the mapping.
        unsafe { self.shared.mapping.start().as_ptr().add(offset) }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes lie inside the mapping, which lives as long as the Arc; they are initialised (zeroed by the
        // kernel, then written by owners); and this lease is the only one for them: the free list hands out each place
        // once until it is returned by Drop, `split_off` leaves two leases of disjoint ranges, and `join` consumes
        // the lease whose range it takes.
        unsafe { std::slice::from_raw_parts(self.start(), self.at.len()) }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for Deref, and `&mut self` excludes every other access through this lease.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.at.len()) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Of all parts exactly one finds itself the last, however many threads drop them.
        if self.parts.take().is_none_or(|parts| Arc::into_inner(parts).is_some()) {
            self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.place);
        }
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
    fn parts_are_disjoint_and_join_to_the_whole() {
        let pool = Pool::new(2, 96).unwrap();
        let mut first = pool.take().unwrap();
        let mut third = first.split_off(32);
        let second = third.split_off(0);
        assert_eq!((first.len(), second.len(), third.len()), (32, 64, 0));
        let (mut second, rest) = {
            let mut second = second;
            let rest = second.split_off(32);
            (second, rest)
        };
        first.fill(1);
        second.fill(2);
        third.join(second);
        third.join(rest);
        first.join(third);
        let expected: Vec<u8> = [[1; 32], [2; 32], [0; 32]].concat();
        assert_eq!(first[..], expected);
        drop(first);
        assert_eq!(pool.available(), 2);
    }

    #[test]
    fn a_place_is_free_when_its_last_part_is_dropped_by_any_thread() {
        for _ in 0..if cfg!(miri) { 10 } else { 500 } {
            let pool = Pool::new(1, 64).unwrap();
            let mut lease = pool.take().unwrap();
            let parts = [lease.split_off(48), lease.split_off(16)];
            let dropped = parts.map(|part| std::thread::spawn(move || drop(part)));
            dropped.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(pool.available(), 0, "one part is left");
            let again = lease.split_off(0);
            drop(lease);
            assert_eq!(pool.available(), 0);
            drop(again);
            assert_eq!(pool.available(), 1);
        }
    }

    #[test]
    #[should_panic(expected = "one behind the other")]
    fn parts_in_the_wrong_order_do_not_join() {
        let mut lease = Lease::alone(64).unwrap();
        let mut rest = lease.split_off(32);
        rest.join(lease);
    }

    #[test]
    #[cfg_attr(miri, ignore = "miri ends at once where memory cannot be had")]
    fn an_impossible_size_is_an_error() {
        assert!(Pool::new(u32::MAX, usize::MAX / 2).is_err());
        assert!(Lease::alone(1 << 60).is_err());
    }
}
