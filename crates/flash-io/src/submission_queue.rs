//! The queue in front of every device: by priority, within a budget of requests and of bytes.
//!
//! Workers are threads or tasks; the queue knows them by their wakers alone. The caller that pushes pays
//! for waking one sleeper at most: each worker that takes a read wakes the next one while there is more to take.
//! No lock is held while a sleeper is woken, since that is a system call.

use crate::device::ClientId;
use crate::{DeviceRead, Priority};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Reads that wait for the device, and the count of those it works on.
#[derive(Debug)]
pub(crate) struct SubmissionQueue {
    max_requests: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// One per priority.
    queued: [VecDeque<DeviceRead>; Priority::COUNT],
    sleepers: Vec<Waker>,
    requests: usize,
    bytes: usize,
    busy: Duration,
    busy_since: Option<Instant>,
    closed: bool,
}

impl SubmissionQueue {
    /// An empty queue. At most `max_requests` reads and `max_bytes` bytes are in flight at once; a read
    /// larger than `max_bytes` goes alone.
    pub(crate) fn new(max_requests: usize, max_bytes: usize) -> SubmissionQueue {
        assert!(max_requests > 0, "a device that may do nothing");
        SubmissionQueue { max_requests, max_bytes, state: Mutex::default() }
    }

    /// Queues `reads`, in their order, and leaves the vector empty.
    pub(crate) fn push(&self, reads: &mut Vec<DeviceRead>, priority: Priority) {
        let mut state = self.lock();
        state.queued[priority as usize].extend(reads.drain(..));
        let sleeper = self.sleeper_for_more(&mut state);
        drop(state);
        wake(sleeper);
    }

    /// Reports the bytes of a finished read, if any, and takes the next one. Pending when there is none
    /// that the budgets allow: `waker` is then woken when that may have changed. `None` after `close`.
    pub(crate) fn poll_take(
        &self,
        finished: &mut Option<usize>,
        waker: &Waker,
    ) -> Poll<Option<DeviceRead>> {
        let mut state = self.lock();
        if let Some(bytes) = finished.take() {
            state.finish(bytes);
        }
        // A worker that woke for another reason than this queue is still in the list of sleepers.
        if let Some(place) = state.sleepers.iter().position(|sleeper| sleeper.will_wake(waker)) {
            state.sleepers.swap_remove(place);
        }
        if state.closed {
            return Poll::Ready(None);
        }
        let Some(read) = self.take(&mut state) else {
            state.sleepers.push(waker.clone());
            return Poll::Pending;
        };
        let sleeper = self.sleeper_for_more(&mut state);
        drop(state);
        wake(sleeper);
        Poll::Ready(Some(read))
    }

    /// Moves the reads of `client` and `priority` that no worker has taken to `reads`.
    pub(crate) fn cancel(&self, client: ClientId, priority: Priority, reads: &mut Vec<DeviceRead>) {
        let mut state = self.lock();
        let queue = &mut state.queued[priority as usize];
        let all = std::mem::take(queue).into_iter();
        let (own, others): (VecDeque<_>, VecDeque<_>) =
            all.partition(|read| read.client() == client);
        *queue = others;
        reads.extend(own);
    }

    /// Takes the next read if there is one that the budgets allow; for devices without workers.
    pub(crate) fn try_take(&self) -> Option<DeviceRead> {
        self.take(&mut self.lock())
    }

    /// Reports a finished read of `bytes`; for devices without workers.
    pub(crate) fn finish(&self, bytes: usize) {
        self.lock().finish(bytes);
    }

    /// Drops what is queued and sends the workers home.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queued = std::mem::take(&mut state.queued);
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        drop(queued);
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// A guard for workers: one that panics closes the queue, so that the others go home and whoever
    /// waits for its read learns that it will not come.
    pub(crate) fn close_on_panic(&self) -> CloseOnPanic<'_> {
        CloseOnPanic(self)
    }

    /// Time in which at least one read was in flight.
    pub(crate) fn busy(&self) -> Duration {
        let state = self.lock();
        state.busy + state.busy_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn take(&self, state: &mut State) -> Option<DeviceRead> {
        if !self.admits(state) {
            return None;
        }
        let read = state.queued.iter_mut().find_map(VecDeque::pop_front)?;
        if state.requests == 0 {
            state.busy_since = Some(Instant::now());
        }
        state.requests += 1;
        state.bytes += read.bytes();
        Some(read)
    }

    fn admits(&self, state: &State) -> bool {
        let Some(next) = state.queued.iter().find_map(VecDeque::front) else { return false };
        let fits = state.bytes.saturating_add(next.bytes()) <= self.max_bytes;
        state.requests == 0 || (state.requests < self.max_requests && fits)
    }

    fn sleeper_for_more(&self, state: &mut State) -> Option<Waker> {
        if self.admits(state) { state.sleepers.pop() } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn finish(&mut self, bytes: usize) {
        self.requests -= 1;
        self.bytes -= bytes;
        if self.requests == 0
            && let Some(since) = self.busy_since.take()
        {
            self.busy += since.elapsed();
        }
    }
}

/// See [`SubmissionQueue::close_on_panic`].
pub(crate) struct CloseOnPanic<'a>(&'a SubmissionQueue);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

fn wake(sleeper: Option<Waker>) {
    if let Some(sleeper) = sleeper {
        sleeper.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileId;
    use crate::device::{Gap, Piece};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    fn read(offset: u64, bytes: usize) -> DeviceRead {
        DeviceRead::new(FileId(0), offset, 1, vec![Piece::Gap(Gap { bytes })])
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_more_urgent_go_first_and_equals_in_their_order() {
        let queue = SubmissionQueue::new(9, 100);
        queue.push(&mut vec![read(1, 1), read(2, 1)], Priority::Speculative);
        queue.push(&mut vec![read(5, 1)], Priority::ReadAhead);
        queue.push(&mut vec![read(3, 1), read(4, 1)], Priority::Demand);
        let order: Vec<u64> = std::iter::from_fn(|| queue.try_take()).map(|r| r.offset()).collect();
        assert_eq!(order, [3, 4, 5, 1, 2]);
    }

    #[test]
    fn both_budgets_hold_and_a_read_above_the_budget_goes_alone() {
        let queue = SubmissionQueue::new(2, 100);
        queue.push(&mut vec![read(1, 10), read(2, 10), read(3, 10)], Priority::Demand);
        assert!(queue.try_take().is_some() && queue.try_take().is_some());
        assert!(queue.try_take().is_none(), "a third request");
        queue.finish(10);
        queue.finish(10);
        queue.push(&mut vec![read(4, 95), read(5, 200)], Priority::Demand);
        assert_eq!(queue.try_take().unwrap().offset(), 3);
        assert!(queue.try_take().is_none(), "105 bytes");
        queue.finish(10);
        assert_eq!(queue.try_take().unwrap().offset(), 4);
        assert!(queue.try_take().is_none(), "295 bytes");
        queue.finish(95);
        assert_eq!(queue.try_take().unwrap().offset(), 5);
    }

    #[test]
    fn a_push_wakes_one_sleeper_and_each_taker_wakes_the_next() {
        let queue = SubmissionQueue::new(9, 100);
        let counts: Vec<_> = (0..3).map(|_| Arc::new(Count(AtomicUsize::new(0)))).collect();
        let wakers: Vec<Waker> =
            counts.iter().map(|count| Waker::from(Arc::clone(count))).collect();
        let woken = || counts.iter().map(|count| count.0.load(Ordering::Relaxed)).sum::<usize>();
        for waker in &wakers {
            assert!(queue.poll_take(&mut None, waker).is_pending());
        }
        queue.push(&mut vec![read(1, 1), read(2, 1)], Priority::Demand);
        assert_eq!(woken(), 1);
        assert!(queue.poll_take(&mut None, &wakers[2]).is_ready());
        assert_eq!(woken(), 2);
        assert!(queue.poll_take(&mut None, &wakers[1]).is_ready());
        assert_eq!(woken(), 2, "nothing is left for the third");
    }

    #[test]
    fn a_panic_in_a_worker_sends_the_others_home() {
        let queue = Arc::new(SubmissionQueue::new(1, 1));
        let shared = Arc::clone(&queue);
        let panicked = std::thread::spawn(move || {
            let _alarm = shared.close_on_panic();
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(matches!(queue.poll_take(&mut None, Waker::noop()), Poll::Ready(None)));
    }

    #[test]
    fn a_client_takes_back_its_own_reads_of_one_priority() {
        let queue = SubmissionQueue::new(9, 100);
        let of = |client, offset| {
            let mut read = read(offset, 1);
            read.assign(client, offset);
            read
        };
        queue.push(&mut vec![of(0, 1), of(1, 2), of(0, 3), of(1, 4)], Priority::Speculative);
        queue.push(&mut vec![of(0, 5)], Priority::Demand);
        let mut back = Vec::new();
        queue.cancel(0, Priority::Speculative, &mut back);
        assert_eq!(back.iter().map(DeviceRead::offset).collect::<Vec<_>>(), [1, 3]);
        let left = std::iter::from_fn(|| queue.try_take());
        assert_eq!(left.map(|read| read.offset()).collect::<Vec<_>>(), [5, 2, 4]);
    }
}
