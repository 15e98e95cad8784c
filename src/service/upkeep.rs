//! What a server does once an hour.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Registry;
use super::ticket::Ticket;
use crate::config::{Clock, Retention};
use crate::domain::MessageId;
use crate::shutdown::Shutdown;
use crate::store::{Draft, Store, StoreError};

const EVERY: Duration = Duration::from_secs(60 * 60);

/// How soon to go on deleting where the database was busy.
const GO_ON_AFTER: Duration = Duration::from_secs(60);

/// Saves which tokens are in use and ends those that were not for too long: at the start, every hour, and at the end.
pub(super) async fn save_regularly(registry: Arc<Registry>, store: Store<Ticket>, mut ends: Shutdown) {
    // At once: a tick of the interval would come a moment later, when somebody may be here already.
    save(&registry, &store).await;
    let mut hours = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    loop {
        tokio::select! {
            _ = hours.tick() => save(&registry, &store).await,
            () = ends.triggered() => break,
        }
    }
    save(&registry, &store).await;
}

/// Tries once: what is not saved now is saved in an hour.
async fn save(registry: &Registry, store: &Store<Ticket>) {
    let use_of_tokens = Draft::SaveUse { online: registry.list_sessions() };
    if !is_saved(store, use_of_tokens).await {
        tracing::warn!("the use of tokens could not be saved");
    }
}

async fn is_saved(store: &Store<Ticket>, draft: Draft) -> bool {
    let (saved, is_saved) = oneshot::channel();
    store.submit(draft, Ticket::Save(saved), Instant::now()).await.is_ok() && is_saved.await.is_ok()
}

/// Deletes messages once they are older than it keeps them.
#[derive(Debug)]
pub(super) struct Pruner {
    retention: Retention,
    clock: Clock,
    store: Store<Ticket>,
    /// Up to here is nothing left but what groups with a rule of their own have said.
    rest_after: MessageId,
}

impl Pruner {
    pub(super) fn new(retention: Retention, clock: Clock, store: Store<Ticket>) -> Self {
        Self { retention, clock, store, rest_after: MessageId(0) }
    }

    /// Deletes at the start and every hour; stops between two batches once that `ends`.
    pub(super) async fn run(mut self, mut ends: Shutdown) {
        if self.retention.keeps_everything() {
            return;
        }
        tokio::select! {
            () = self.prune_regularly() => {}
            () = ends.triggered() => {}
        }
    }

    async fn prune_regularly(&mut self) {
        self.warn_of_unknown_groups().await;
        loop {
            let pause = match self.prune().await {
                Ok(0) => EVERY,
                Ok(messages) => {
                    tracing::info!(messages, "deleted messages that were older than they are kept");
                    EVERY
                }
                Err(err) => {
                    tracing::warn!(
                        error = &err as &dyn std::error::Error,
                        "deleting old messages was interrupted; it goes on in a minute"
                    );
                    GO_ON_AFTER
                }
            };
            sleep(pause).await;
        }
    }

    /// A group may be created later; a name that is only misspelt would leave one to the general rule.
    async fn warn_of_unknown_groups(&self) {
        let sweeps = self.store.list_sweeps(&self.retention, self.rest_after).await;
        for group_name in sweeps.into_iter().flat_map(|sweeps| sweeps.unknown) {
            let group_name = group_name.as_str();
            tracing::warn!(group_name, "--group-retention names a group that does not exist; it applies once it does");
        }
    }

    /// Deletes all that is too old by now, and returns how many messages that were.
    async fn prune(&mut self) -> Result<usize, StoreError> {
        let mut messages = 0;
        for mut sweep in self.store.list_sweeps(&self.retention, self.rest_after).await?.sweeps {
            loop {
                let (next, old) = self.store.next_slice(sweep, self.clock.now_ms()).await?;
                sweep = next;
                let Some(old) = old else { break };
                messages += old.len();
                self.delete(old).await?;
            }
            self.rest_after = sweep.rest_after().unwrap_or(self.rest_after);
        }
        Ok(messages)
    }

    /// Deletes a slice, and leaves the writer to others for as long as that took.
    async fn delete(&self, messages: Vec<MessageId>) -> Result<(), StoreError> {
        if messages.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        if !is_saved(&self.store, Draft::Prune { messages }).await {
            return Err(StoreError::Busy);
        }
        sleep(began.elapsed()).await;
        Ok(())
    }
}
