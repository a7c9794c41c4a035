//! A connection that is closed when the other side does not read for a while.
//!
//! What an answer has written lies in the buffers of the system until it is read. When they are full, the answer waits with all
//! it holds: its place among the connections, and its pages while it is not complete.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream whose writes fail after they could not go on for `limit`.
pub(crate) struct Patience<S> {
    stream: S,
    limit: Duration,
    /// When a write that cannot go on is given up.
    deadline: Pin<Box<Sleep>>,
    waiting: bool,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Patience<S> {
        Patience { stream, limit, deadline: Box::pin(sleep(limit)), waiting: false }
    }

    /// What a write comes to that gave `result`: while it cannot go on, the time counts.
    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.waiting = false;
            return result;
        }
        if !self.waiting {
            self.waiting = true;
            // A limit that no clock holds is none.
            let far = Instant::now() + Duration::from_secs(u32::MAX.into());
            self.deadline.as_mut().reset(Instant::now().checked_add(self.limit).unwrap_or(far));
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const LIMIT: Duration = Duration::from_millis(200);

    /// Takes one byte each time that this long went by.
    struct Slow(Duration, Pin<Box<Sleep>>);

    impl Slow {
        fn new(pause: Duration) -> Patience<Slow> {
            Patience::new(Slow(pause, Box::pin(sleep(pause))), LIMIT)
        }
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            ready!(self.1.as_mut().poll(context));
            self.1 = Box::pin(sleep(self.0));
            Poll::Ready(Ok(1))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn write(stream: &mut Patience<Slow>) -> io::Result<usize> {
        poll_fn(|context| Pin::new(&mut *stream).poll_write(context, b"x")).await
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn who_does_not_read_is_given_up_after_the_limit() {
        run(async {
            let (mut stream, began) = (Slow::new(100 * LIMIT), Instant::now());
            assert_eq!(write(&mut stream).await.unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(began.elapsed() >= LIMIT && began.elapsed() < 50 * LIMIT);
        });
    }

    #[test]
    fn who_reads_slowly_is_waited_for_and_silence_between_writes_does_not_count() {
        run(async {
            let mut stream = Slow::new(LIMIT / 4);
            for _ in 0..8 {
                assert_eq!(write(&mut stream).await.unwrap(), 1);
            }
            // The next write begins later than the last one might have ended.
            sleep(2 * LIMIT).await;
            stream.stream.1 = Box::pin(sleep(LIMIT / 4));
            assert_eq!(write(&mut stream).await.unwrap(), 1);
        });
    }
}
