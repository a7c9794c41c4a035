//! Real threads over one pool: for miri, which reports any byte that two of them touch without order between.

use flint_iobuf::{Lease, Pool};
use std::sync::mpsc::channel;
use std::thread;

const ROUNDS: u8 = if cfg!(miri) { 8 } else { 200 };

#[test]
fn threads_that_return_and_take_the_same_place_never_meet_in_it() {
    let pool = Pool::new(1, 16).unwrap();
    thread::scope(|scope| {
        for mark in [1u8, 2] {
            let pool = pool.clone();
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let Some(mut lease) = pool.take() else {
                        thread::yield_now();
                        continue;
                    };
                    lease.fill(mark);
                    assert!(lease.iter().all(|&byte| byte == mark));
                }
            });
        }
    });
    assert_eq!(pool.available(), 1);
}

#[test]
fn a_place_that_goes_to_a_device_and_back_carries_its_bytes() {
    let pool = Pool::new(2, 16).unwrap();
    let (to_device, requests) = channel::<Lease>();
    let (to_caller, completions) = channel::<Lease>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for mut lease in requests {
                let asked = lease[0];
                lease.fill(asked + 1);
                to_caller.send(lease).unwrap();
            }
        });
        for round in 0..ROUNDS {
            for mark in [round, round / 2] {
                let mut lease = pool.take().unwrap();
                lease.fill(mark);
                to_device.send(lease).unwrap();
            }
            for mark in [round, round / 2] {
                let lease = completions.recv().unwrap();
                assert!(lease.iter().all(|&byte| byte == mark + 1));
            }
        }
        drop(to_device);
    });
    assert_eq!(pool.available(), 2);
}
