//! Refusing drafts that have waited too long behind a commit that takes its time.
//!
//! The writer's thread waits for the disk meanwhile, so this is a task of its own. It sleeps while commits are as quick as they
//! should be and nothing is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Committed;
use super::queue::Queue;

/// How often drafts that have waited too long are looked for, while there are commits.
const EXPIRE_EVERY: Duration = Duration::from_millis(200);

/// What the writer and the task know of each other.
#[derive(Debug, Default)]
struct Shared {
    is_committing: AtomicBool,
    /// Whether the task will look again by itself.
    is_watching: AtomicBool,
    due: Notify,
}

/// The writer's side. The task ends when this is dropped.
#[derive(Debug)]
pub(super) struct StallWatch {
    shared: Arc<Shared>,
    watching: JoinHandle<()>,
}

/// The writer has a batch in hand until this is dropped.
#[derive(Debug)]
pub(super) struct Committing(Arc<Shared>);

impl StallWatch {
    /// Starts the task, which hands what it has refused to `refuse`.
    pub(super) fn start<T: Send + 'static>(
        queue: Arc<Queue<T>>,
        refuse: impl Fn(Committed<T>) + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let watching = tokio::spawn(watch(Arc::clone(&shared), queue, refuse));
        Self { shared, watching }
    }

    /// Says that the writer has taken a batch.
    pub(super) fn begin(&self) -> Committing {
        self.shared.is_committing.store(true, Ordering::SeqCst);
        if !self.shared.is_watching.swap(true, Ordering::SeqCst) {
            self.shared.due.notify_one();
        }
        Committing(Arc::clone(&self.shared))
    }
}

impl Drop for StallWatch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        self.0.is_committing.store(false, Ordering::SeqCst);
    }
}

async fn watch<T>(shared: Arc<Shared>, queue: Arc<Queue<T>>, refuse: impl Fn(Committed<T>)) {
    loop {
        shared.due.notified().await;
        while shared.is_watching.load(Ordering::SeqCst) {
            sleep(EXPIRE_EVERY).await;
            let expired = queue.expire();
            if !expired.is_empty() {
                refuse(expired);
            }
            // A batch that is taken in between sees that nobody watches, or is seen here.
            shared.is_watching.store(false, Ordering::SeqCst);
            if shared.is_committing.load(Ordering::SeqCst) {
                shared.is_watching.store(true, Ordering::SeqCst);
            }
        }
    }
}
