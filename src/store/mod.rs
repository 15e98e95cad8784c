//! The database: all SQL there is, and the one thread that writes.
//!
//! Reading goes through a small pool of read-only connections. Whatever changes something is a [`Draft`], queued for the
//! writer, which decides it, commits it together with what else has queued up, and hands the outcome on in commit order.
//! Nothing here knows sockets, responses or who is online.
//!
//! Statements are `sqlx`'s, checked against the schema when this is built. Two kinds are not: those that insert many rows at once
//! find them in a virtual table, and those about the log that every message needs, to append to it and to read it page by page,
//! go through `rusqlite`. Either costs a third of what it costs otherwise, and both are run by tests.

mod appender;
mod backup;
mod batch;
mod check;
mod checkpoint;
mod connect;
mod contact;
mod copy;
mod directory;
mod draft;
mod error;
mod group;
mod history;
mod incoming;
mod index;
mod list;
mod lock;
mod log_readers;
mod mark;
mod message;
mod meta;
mod migrate;
mod names;
mod open;
mod owed;
mod pair;
mod plan;
mod prune;
mod pruned;
mod queue;
mod quick_check;
mod read_mark;
mod restore;
mod session;
mod stall;
mod sweep;
mod tally;
mod unread;
mod user;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::SqlitePool;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::timeout_at;

pub use backup::{Backup, back_up};
pub use check::{Contents, Problem, Report, check};
pub use contact::ContactRow;
pub use draft::{After, Author, Draft, LoggedIn, Membership, Of, Origin, Outcome, Refusal, Sent, SentTo, Synced};
pub use error::{BackupError, CopyError, OpenError, PruneError, RestoreError, SqliteError, StoreError};
pub use group::{FoundGroupRow, MemberRow};
pub use history::{Amount, History, Said, Stretch};
pub use list::Part;
pub use owed::{Owed, Page, Place, Scope};
pub use prune::{Prunable, PrunablePart, Pruned, list_prunable, prune};
pub use quick_check::QuickCheck;
pub use restore::{Restored, restore};
pub use session::SessionRow;
pub use sweep::{Sweep, Sweeps};
pub use unread::OwnGroup;
pub use user::Credentials;
pub use writer::{Writer, Writing};

use crate::config::{Config, Retention};
use crate::domain::{Epoch, MessageId, UserId};
use index::Index;
use log_readers::LogReaders;
use queue::{Queue, Queued};

/// Drafts that may wait for the writer, one commit's worth, and as many again that a stalled commit has looked at. Units: drafts.
const QUEUE_DRAFTS: usize = queue::BATCH_DRAFTS;

/// Contents that may wait for the writer: one commit's worth, for what waits longer makes everybody wait. Who finds no room waits
/// in line at the connection that it comes from. Units: bytes.
const QUEUE_BYTES: usize = queue::BATCH_BYTES;

/// What a content of so many bytes takes of the queue's room: no more than all of it.
fn room_of(content_bytes: usize) -> u32 {
    u32::try_from(content_bytes.min(QUEUE_BYTES)).expect("the queue is far smaller than that")
}

/// The way into the database. `T` is whatever the caller wants back with a draft's outcome.
#[derive(Debug)]
pub struct Store<T> {
    readers: SqlitePool,
    log_readers: LogReaders,
    index: Arc<Index>,
    drafts: mpsc::Sender<Queued<T>>,
    room: Arc<Semaphore>,
    busy_after: Duration,
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self {
            readers: self.readers.clone(),
            log_readers: self.log_readers.clone(),
            index: Arc::clone(&self.index),
            drafts: self.drafts.clone(),
            room: Arc::clone(&self.room),
            busy_after: self.busy_after,
        }
    }
}

/// The outcomes of one commit, in commit order.
pub type Committed<T> = Vec<(Outcome, T)>;

/// An open database: its handle, the log's head as of now, and the writer, which is to be started.
#[derive(Debug)]
pub struct Opened<T> {
    /// The handle.
    pub store: Store<T>,
    /// The file's canonical path.
    pub path: PathBuf,
    /// The newest message.
    pub head: MessageId,
    /// What is to be made where the last end was unclean, once the server serves.
    pub quick_check: Option<QuickCheck>,
    /// Which database it is.
    pub epoch: Epoch,
    /// What writes; nothing is until it runs.
    pub writer: Writer<T>,
}

impl<T: Send + 'static> Store<T> {
    /// Opens or creates the database, and migrates it.
    ///
    /// # Errors
    /// [`OpenError`] says why the file cannot be used and what to do.
    pub async fn open(config: &Config) -> Result<Opened<T>, OpenError> {
        let mut database = open::open(config).await?;
        let (drafts, queue) = mpsc::channel(QUEUE_DRAFTS);
        let room = Arc::new(Semaphore::new(QUEUE_BYTES));
        let store = Self {
            readers: database.readers.clone(),
            log_readers: database.log_readers.clone(),
            index: Arc::clone(&database.index),
            drafts,
            room,
            busy_after: config.limits.busy_after,
        };
        let path = database.path.clone();
        let epoch = meta::find_epoch(&mut database.writer.conn).await?;
        let quick_check = database.was_left_unclean.then(|| QuickCheck::new(path.clone()));
        let queue = Queue::new(queue, Arc::clone(&store.room), config.limits.busy_after);
        let writer = Writer::new(database, config, queue).await?;
        let head = writer.head();
        Ok(Opened { store, path, head, epoch, quick_check, writer })
    }

    /// Queues a draft, at once if there is room; its outcome comes, in commit order, with `ticket`. What is returned waits for the
    /// writer until it has waited for as long as a request may, counted from `since`.
    ///
    /// # Errors
    /// The ticket, when the queue stayed full for so long: nothing was or will be written.
    pub fn submit(&self, draft: Draft, ticket: T, since: Instant) -> impl Future<Output = Result<(), T>> {
        let full = self.try_submit(draft, ticket, since).err();
        async move {
            match full {
                None => Ok(()),
                // In a box, for it is rare and long: every connection's future would keep room for it.
                Some(full) => Box::pin(self.wait_for_room(full)).await,
            }
        }
    }

    /// Queues a draft if there is a place and room for it now; nobody is overtaken, for who waits is given what comes free.
    fn try_submit(&self, draft: Draft, ticket: T, since: Instant) -> Result<(), Box<Queued<T>>> {
        let queued = Queued { draft, ticket, since };
        let Ok(room) = self.room.try_acquire_many(room_of(queued.draft.content_bytes())) else {
            return Err(Box::new(queued));
        };
        match self.drafts.try_send(queued) {
            Ok(()) => {
                // The writer gives it back when it takes the draft.
                room.forget();
                Ok(())
            }
            Err(TrySendError::Full(queued) | TrySendError::Closed(queued)) => Err(Box::new(queued)),
        }
    }

    async fn wait_for_room(&self, queued: Box<Queued<T>>) -> Result<(), T> {
        let reserving = self.reserve(queued.draft.content_bytes());
        match timeout_at((queued.since + self.busy_after).into(), reserving).await {
            Ok(Some((place, room))) => {
                room.forget();
                place.send(*queued);
                Ok(())
            }
            Ok(None) | Err(_) => Err(queued.ticket),
        }
    }

    /// A place in the queue, and room for so many bytes; `None` when the writer has ended.
    async fn reserve(&self, bytes: usize) -> Option<(mpsc::Permit<'_, Queued<T>>, SemaphorePermit<'_>)> {
        let room = self.room.acquire_many(room_of(bytes)).await.ok()?;
        Some((self.drafts.reserve().await.ok()?, room))
    }

    /// Who a user is and how their password is hashed.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read, or not within the time that a request may wait, counted from `since`.
    pub async fn find_credentials(
        &self,
        username_key: &str,
        since: Instant,
    ) -> Result<Option<Credentials>, StoreError> {
        let acquired = timeout_at((since + self.busy_after).into(), self.readers.acquire()).await;
        let mut conn = acquired.map_err(|_| StoreError::Busy)??;
        Ok(user::find_credentials_by_key(&mut conn, username_key).await?)
    }

    /// The next messages that `user_id` is owed in `place`, in order, as `encode` makes them on the thread that reads.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn list_owed<R: Send + 'static>(
        &self,
        user_id: UserId,
        scope: Scope,
        place: Place,
        encode: impl FnOnce(Page) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let index = Arc::clone(&self.index);
        self.log_readers.read(move |conn| owed::list(conn, &index, user_id, scope, place).map(encode)).await
    }

    /// Where to look for what is older than `retention` keeps; for what has no group's rule, behind `rest_after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn list_sweeps(&self, retention: &Retention, rest_after: MessageId) -> Result<Sweeps, StoreError> {
        let mut conn = self.readers.acquire().await?;
        Ok(sweep::list(&mut conn, retention, rest_after).await?)
    }

    /// What is too old in the next slice of `sweep`, few enough for one [`Draft::Prune`], and how far it is then; `None` once
    /// nothing more can be.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn next_slice(
        &self,
        mut sweep: Sweep,
        now_ms: i64,
    ) -> Result<(Sweep, Option<Vec<MessageId>>), StoreError> {
        let index = Arc::clone(&self.index);
        let next = move |conn: &rusqlite::Connection| {
            let old = sweep.next(conn, &index, now_ms)?;
            Ok((sweep, old))
        };
        let (sweep, old) = self.log_readers.read(next).await?;
        Ok((sweep, old.map(|old| old.into_iter().map(|message| message.message_id).collect())))
    }
}
