//! How far each user has received the log, on its way to the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::ticket::Ticket;
use crate::domain::{MessageId, UserId};
use crate::outbox::Received;
use crate::shutdown::Shutdown;
use crate::store::{Draft, Store};

/// How long marks gather before they are saved. What a crash loses of them is delivered again.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Marks that are noted but perhaps not saved yet.
#[derive(Debug, Default)]
pub(super) struct Marks {
    noted: Mutex<HashMap<UserId, MessageId>>,
    changed: Notify,
}

impl Marks {
    /// Notes how far a user has received the log; never moves back.
    pub(super) fn note(&self, received: Received) {
        let mut noted = self.lock();
        let mark = noted.entry(received.user_id).or_insert(received.message_id);
        *mark = received.message_id.max(*mark);
        drop(noted);
        self.changed.notify_one();
    }

    /// What is noted of `user_id` and may not be in the database yet.
    pub(super) fn newest(&self, user_id: UserId) -> Option<MessageId> {
        self.lock().get(&user_id).copied()
    }

    fn all(&self) -> Vec<(UserId, MessageId)> {
        self.lock().iter().map(|(&user_id, &message_id)| (user_id, message_id)).collect()
    }

    /// Forgets what the database has by now. Logins before the commit were dispatched before this.
    fn saved(&self, marks: &[(UserId, MessageId)]) {
        let mut noted = self.lock();
        for (user_id, message_id) in marks {
            if noted.get(user_id) == Some(message_id) {
                noted.remove(user_id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, MessageId>> {
        self.noted.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

/// Saves what is noted, at most once a second, and a last time when `ends` is triggered. Sleeps while nothing changes.
pub(super) async fn save_regularly(marks: Arc<Marks>, store: Store<Ticket>, mut ends: Shutdown) {
    loop {
        tokio::select! {
            () = marks.changed.notified() => {}
            () = ends.triggered() => break,
        }
        tokio::select! {
            () = tokio::time::sleep(SAVE_EVERY) => {}
            () = ends.triggered() => break,
        }
        if !save(&marks, &store).await {
            marks.changed.notify_one();
        }
    }
    save(&marks, &store).await;
}

/// Whether all that was noted is in the database.
async fn save(marks: &Marks, store: &Store<Ticket>) -> bool {
    let noted = marks.all();
    if noted.is_empty() {
        return true;
    }
    let (saved, is_saved) = oneshot::channel();
    let submitted = store.submit(Draft::SaveMarks { marks: noted.clone() }, Ticket::Save(saved), Instant::now()).await;
    if submitted.is_err() || is_saved.await.is_err() {
        return false;
    }
    marks.saved(&noted);
    true
}
