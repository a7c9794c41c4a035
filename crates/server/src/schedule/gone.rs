//! Whether whoever asked is still there, and what his leaving ends.

use flint_engine::CancelToken;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A pass that ends when all whose rows are in it have left.
#[derive(Debug)]
pub(super) struct PassWatch {
    left: AtomicUsize,
    cancel: CancelToken,
}

impl PassWatch {
    /// A watch for the rows of this number of answers.
    pub(super) fn new(requests: usize) -> Arc<PassWatch> {
        Arc::new(PassWatch { left: AtomicUsize::new(requests), cancel: CancelToken::default() })
    }

    /// What the pass looks at.
    pub(super) fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    fn one_left(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.cancel.cancel();
        }
    }
}

/// One who may leave.
#[derive(Debug, Default)]
pub(super) struct Gone {
    gone: AtomicBool,
    /// The pass that his rows are in.
    pass: Mutex<Option<Arc<PassWatch>>>,
}

impl Gone {
    /// Leaves.
    pub(super) fn leave(&self) {
        // The lock orders this against `enter`: one of the two counts, never both and never neither.
        let pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.gone.swap(true, Ordering::AcqRel)
            && let Some(pass) = &*pass
        {
            pass.one_left();
        }
    }

    /// Whether he left.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// His rows are in a pass from now on.
    pub(super) fn enter(&self, pass: &Arc<PassWatch>) {
        let mut place = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_gone() {
            pass.one_left();
        }
        *place = Some(Arc::clone(pass));
    }

    /// The pass is over.
    pub(super) fn exit(&self) {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_ends_when_the_last_one_left() {
        let (a, b) = (Gone::default(), Gone::default());
        let pass = PassWatch::new(2);
        a.leave();
        a.enter(&pass);
        b.enter(&pass);
        assert!(!pass.cancel().is_cancelled());
        a.leave();
        assert!(!pass.cancel().is_cancelled());
        b.leave();
        assert!(pass.cancel().is_cancelled() && b.is_gone());
    }

    #[test]
    fn who_leaves_between_passes_ends_none() {
        let a = Gone::default();
        let (first, second) = (PassWatch::new(1), PassWatch::new(2));
        a.enter(&first);
        a.exit();
        a.leave();
        assert!(!first.cancel().is_cancelled());
        a.enter(&second);
        assert!(!second.cancel().is_cancelled());
    }
}
