//! What arithmetic could reach at most on this machine, to set the kernels beside.

use crate::Compute;
use crate::lanes::{Kernel, LANES, Lanes};
use std::hint::black_box;
use std::time::Instant;

/// Sums that grow side by side: more than a multiply-add takes cycles, as many as there are registers.
const SUMS: usize = 24;

/// Rounds of one measurement, a few milliseconds of work.
const ROUNDS: usize = 200_000;

/// Floating-point operations per second of fused multiply-adds on registers alone, on all threads of `c`: the
/// peak that a product of many vectors can be measured against. The best of a few tries.
pub fn multiply_add_peak(c: &Compute) -> f64 {
    let operations = (2 * LANES * SUMS * ROUNDS * c.threads()) as f64;
    let once = || {
        let started = Instant::now();
        let work = 0..c.threads();
        c.share(usize::MAX, work, |_| {
            black_box(c.path().run(Registers));
        });
        operations / started.elapsed().as_secs_f64()
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

struct Registers;

impl Kernel for Registers {
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> f32 {
        let mut sums = [lanes.splat(0.0); SUMS];
        let (a, b) = (lanes.splat(black_box(0.999)), lanes.splat(black_box(1e-3)));
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = lanes.mul_add(*sum, a, b);
            }
        }
        let mut total = 0.0;
        for sum in sums {
            total += lanes.sum(sum);
        }
        total
    }
}
