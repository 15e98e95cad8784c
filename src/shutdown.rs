//! The signal that everything should come to its end.

use tokio::sync::watch;

/// Triggers the signal; dropping it triggers it too, so that nobody waits for a trigger that cannot come.
#[derive(Debug)]
pub struct Trigger(watch::Sender<()>);

/// The signal: cloned into every task that has to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<()>);

/// A trigger and its signal.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(());
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Tells everyone who holds the signal.
    pub fn trigger(self) {
        drop(self.0);
    }
}

impl Shutdown {
    /// Returns once the signal was triggered.
    ///
    /// Cancel safety: may be dropped and called again.
    pub async fn triggered(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// Whether the signal was triggered by now.
    pub fn is_triggered(&self) -> bool {
        self.0.has_changed().is_err()
    }
}
