//! What a server does once an hour.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Registry;
use super::ticket::Ticket;
use crate::shutdown::Shutdown;
use crate::store::{Draft, Store};

const EVERY: Duration = Duration::from_secs(60 * 60);

/// Saves which tokens are in use and ends those that were not for too long: at the start, every hour, and at the end.
pub(super) async fn save_regularly(registry: Arc<Registry>, store: Store<Ticket>, mut ends: Shutdown) {
    let mut hours = tokio::time::interval(EVERY);
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
    let (saved, is_saved) = oneshot::channel();
    let submitted =
        store.submit(Draft::SaveUse { online: registry.list_sessions() }, Ticket::Save(saved), Instant::now()).await;
    if submitted.is_err() || is_saved.await.is_err() {
        tracing::warn!("the use of tokens could not be saved");
    }
}
