//! Every order in which two owners can take, write, pass on and return places.
//!
//! Owners share the bytes of a mapping without a lock; what keeps them apart is that each step is either one
//! critical section of the free list or touches places of the owner's own. So the orders of steps are all that two
//! threads can do to each other, and few enough to try them all, on the code itself instead of a model of it.
//! That bytes written before a place is returned are seen by whoever takes it next is the lock's doing: miri
//! looks for a race in `threads.rs`.

use flint_iobuf::{Lease, Pool};

/// What an owner does next. One that cannot (nothing free, nothing held) does nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// Takes a place and writes a mark over all of it.
    Take,
    /// Returns the place that was held longest.
    Return,
    /// Gives it to the other owner, as a request gives it to the device.
    Pass,
}

const STEPS: [Step; 3] = [Step::Take, Step::Return, Step::Pass];

const PLACE: usize = 32;

/// Two owners, and the leases of each with the mark that its bytes must have.
struct Owners {
    pool: Pool,
    held: [Vec<(Lease, u8)>; 2],
    marks: u8,
}

impl Owners {
    fn step(&mut self, owner: usize, step: Step) {
        match step {
            Step::Take => {
                let expected = self.held.iter().map(Vec::len).sum::<usize>();
                let taken = self.pool.take();
                assert_eq!(taken.is_some(), expected < self.pool.places() as usize);
                if let Some(mut lease) = taken {
                    self.marks = self.marks.wrapping_add(1);
                    lease.fill(self.marks);
                    self.held[owner].push((lease, self.marks));
                }
            }
            Step::Return if !self.held[owner].is_empty() => drop(self.held[owner].remove(0)),
            Step::Pass if !self.held[owner].is_empty() => {
                let passed = self.held[owner].remove(0);
                self.held[1 - owner].push(passed);
            }
            Step::Return | Step::Pass => {}
        }
        self.check();
    }

    /// No place has two leases, no byte was written by another than its owner, none is lost.
    fn check(&self) {
        let held: Vec<&(Lease, u8)> = self.held.iter().flatten().collect();
        let mut places: Vec<u32> = held.iter().map(|(lease, _)| lease.index()).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), held.len(), "a place has two owners");
        for (lease, mark) in &held {
            assert!(lease.iter().all(|byte| byte == mark), "a place was written by another");
        }
        assert_eq!(self.pool.available() + held.len(), self.pool.places() as usize);
    }
}

/// Every program of `len` steps.
fn programs(len: usize) -> Vec<Vec<Step>> {
    (0..len).fold(vec![vec![]], |shorter, _| {
        let longer = shorter
            .iter()
            .flat_map(|program| STEPS.iter().map(move |&step| [&program[..], &[step]].concat()));
        longer.collect()
    })
}

/// Every order of `a` steps of the first owner and `b` of the second.
fn orders(a: usize, b: usize) -> Vec<Vec<usize>> {
    if a == 0 || b == 0 {
        return vec![[vec![0; a], vec![1; b]].concat()];
    }
    let after = |owner, rest: Vec<Vec<usize>>| {
        rest.into_iter().map(move |order| [&[owner][..], &order].concat())
    };
    after(0, orders(a - 1, b)).chain(after(1, orders(a, b - 1))).collect()
}

#[test]
fn no_order_of_steps_gives_a_place_two_owners() {
    let len = if cfg!(miri) { 2 } else { 4 };
    let orders = orders(len, len);
    assert_eq!(orders.len(), if cfg!(miri) { 6 } else { 70 });
    for places in 1..=2 {
        let pool = Pool::new(places, PLACE).unwrap();
        for first in programs(len) {
            for second in programs(len) {
                for order in &orders {
                    let held = [Vec::new(), Vec::new()];
                    let mut owners = Owners { pool: pool.clone(), held, marks: 0 };
                    let mut left = [first.iter(), second.iter()];
                    for &owner in order {
                        owners.step(owner, *left[owner].next().unwrap());
                    }
                }
                assert_eq!(pool.available(), places as usize, "all went back");
            }
        }
    }
}
