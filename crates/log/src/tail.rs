//! The end of what is on disk, for those who follow it.

use crate::Position;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub sequence: u64,
    pub offset: u64,
    pub end: Position,
    pub closed: bool,
}

/// The newest tail. Who waits is woken in the order of waiting: tokio's `watch` would wake in an order of its own dice, and
/// a seed could not replay a run.
pub(crate) struct Newest {
    tail: Mutex<Tail>,
    changed: Notify,
}

impl Newest {
    pub fn new(tail: Tail) -> Self {
        Self { tail: Mutex::new(tail), changed: Notify::new() }
    }

    pub fn get(&self) -> Tail {
        *self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, tail: Tail) {
        *self.tail.lock().unwrap_or_else(PoisonError::into_inner) = tail;
        self.changed.notify_waiters();
    }

    /// Returns the first tail, from the present one on, that `is_it` takes.
    pub async fn wait_for(&self, is_it: impl Fn(&Tail) -> bool) -> Tail {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that no change between look and wait is missed.
            changed.as_mut().enable();
            let tail = self.get();
            if is_it(&tail) {
                return tail;
            }
            changed.await;
        }
    }
}
