//! The one thread that writes: it commits in groups what has queued up while the last commit ran, and hands the outcomes on.
//!
//! It waits for the disk itself. A thread that is lent for each commit costs two more steps between threads, which is what a
//! message that comes alone mostly costs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::{Connection, SqlitePool};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::appender::Appender;
use super::batch::{self, Failure};
use super::checkpoint::Checkpointer;
use super::connect;
use super::directory::Directory;
use super::draft::{Draft, Outcome, Refusal};
use super::index::{Filling, Index, NonceKey, Removed};
use super::log_readers::LogReaders;
use super::open::Database;
use super::plan::{Moment, Plan, plan};
use super::queue::Queue;
use super::stall::StallWatch;
use super::tally::Tally;
use super::{Committed, OpenError, SqliteError, StoreError};
use crate::config::{Clock, Config, whole_ms};
use crate::domain::{MessageId, Rate};

/// How much of the index is written behind a commit: at least a part of a segment, some ms, and more than was added.
const SLICES_PER_SEGMENT: usize = 128;
const SLICE_PER_ADDED: usize = 3;

/// Pages that a slice of the index dirties, about: it is sorted.
const SLICE_PAGES: u64 = 16;

/// How often a database that takes nothing is logged.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// The writer's state. A panic in it ends the process: the directory could be ahead of the file.
#[derive(Debug)]
pub struct Writer<T> {
    database: Connections,
    directory: Directory,
    index: Arc<Index>,
    /// The segment of the index that is being written.
    filling: Option<Filling>,
    queue: Arc<Queue<T>>,
    clock: Clock,
    token_lifetime_ms: i64,
    message_rate: Option<Rate>,
    warned_at: Option<Instant>,
    tally: Tally,
}

/// A writer that runs on a thread of its own.
#[derive(Debug)]
pub struct Writing(oneshot::Receiver<Result<(), StoreError>>);

impl Writing {
    /// Returns when the writer has ended: well, once the last handle was dropped, or with the error that makes going on unsafe.
    ///
    /// # Errors
    /// [`StoreError`] as above, or that the writer has panicked.
    ///
    /// Cancel safety: may be dropped, and called again unless it has returned.
    pub async fn ended(&mut self) -> Result<(), StoreError> {
        (&mut self.0).await.unwrap_or(Err(StoreError::WriterPanicked))
    }
}

/// What became of a batch.
enum Attempt {
    /// Committed or refused as a whole.
    Settled(Vec<Outcome>),
    /// One of them broke a rule of the schema; nothing was written.
    Broken(Vec<Draft>),
}

/// The connections that write; there are none between an error and the next batch.
#[derive(Debug)]
struct Connections {
    path: PathBuf,
    writing: Option<(connect::Writing, Appender)>,
    readers: SqlitePool,
    log_readers: LogReaders,
    checkpointer: Checkpointer,
    /// Kept to the end, for it holds the lock file.
    _lock: super::lock::DatabaseLock,
}

impl<T: Send + 'static> Writer<T> {
    pub(super) async fn new(database: Database, config: &Config, queue: Queue<T>) -> Result<Self, OpenError> {
        let Database { path, writer, readers, log_readers, index, lock, .. } = database;
        let directory = Directory::load(&connect::connect_log_reader(&path)?)?;
        let appender = Appender::open(&path)?;
        let checkpointer = Checkpointer::start(&path).await?;
        Ok(Self {
            database: Connections {
                path,
                writing: Some((writer, appender)),
                readers,
                log_readers,
                checkpointer,
                _lock: lock,
            },
            directory,
            index,
            filling: None,
            queue: Arc::new(queue),
            clock: config.clock.clone(),
            token_lifetime_ms: whole_ms(config.limits.token_lifetime),
            message_rate: config.limits.message_rate,
            warned_at: None,
            tally: Tally::default(),
        })
    }

    pub(super) fn head(&self) -> MessageId {
        self.directory.head()
    }

    /// Starts the thread. Must be called within a runtime.
    ///
    /// # Errors
    /// The system's, when it has no thread to give.
    pub fn start(self, deliver: impl FnMut(Committed<T>) + Send + 'static) -> std::io::Result<Writing> {
        let (end, ended) = oneshot::channel();
        let runtime = Handle::current();
        // Who has stopped waiting for the end needs no word of it.
        let run = move || drop(end.send(runtime.block_on(self.run(deliver))));
        thread::Builder::new().name("writer".to_owned()).spawn(run)?;
        Ok(Writing(ended))
    }

    /// Writes until the last handle is dropped, then moves the WAL into the database. Every outcome goes to `deliver`, in commit
    /// order. Waits for the disk on the thread that it runs on.
    ///
    /// # Errors
    /// [`StoreError`] when going on is not safe.
    pub async fn run(mut self, deliver: impl FnMut(Committed<T>) + Send + 'static) -> Result<(), StoreError> {
        let deliver = Arc::new(Mutex::new(deliver));
        let hand_on = move |committed| deliver.lock().expect("a panic in it has ended the writer")(committed);
        let stalls = StallWatch::start(Arc::clone(&self.queue), hand_on.clone());
        while let Some((drafts, tickets)) = self.queue.next_batch().await {
            let _committing = stalls.begin();
            let outcomes = self.write(drafts).await?;
            let messages = outcomes.len();
            hand_on(outcomes.into_iter().zip(tickets).collect());
            self.fill_in(messages).await?;
        }
        self.database.close().await;
        Ok(())
    }

    /// Writes a batch; should a row break a rule, one draft at a time, so that it fails alone.
    async fn write(&mut self, drafts: Vec<Draft>) -> Result<Vec<Outcome>, StoreError> {
        let drafts = match self.try_write(drafts).await? {
            Attempt::Settled(outcomes) => return Ok(outcomes),
            Attempt::Broken(drafts) => drafts,
        };
        let mut outcomes = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match self.try_write(vec![draft]).await? {
                Attempt::Settled(outcome) => outcomes.extend(outcome),
                Attempt::Broken(_) => outcomes.push(Outcome::Refused(Refusal::Failed)),
            }
        }
        Ok(outcomes)
    }

    async fn try_write(&mut self, drafts: Vec<Draft>) -> Result<Attempt, StoreError> {
        let moment = Moment {
            now_ms: self.clock.now_ms(),
            now: Instant::now(),
            token_lifetime_ms: self.token_lifetime_ms,
            message_rate: self.message_rate,
        };
        let head = self.directory.head();
        if let Err(failure) = self.recall(&drafts).await {
            return self.fail(failure, drafts).await;
        }
        // Each after those before it.
        let plans: Vec<Plan> = drafts.iter().map(|draft| plan(&mut self.directory, draft, moment)).collect();
        match self.commit(&drafts, &plans, head, moment.now_ms).await {
            Ok(removed) => {
                self.directory.commit();
                self.index.add(plans.iter().zip(&drafts).filter_map(|(plan, draft)| plan.entry(draft)));
                removed.iter().for_each(|removed| self.index.forget(removed));
                self.tally.count(head, self.directory.head());
                let outcome = |(plan, draft): (Plan, Draft)| plan.outcome(draft, &self.directory);
                Ok(Attempt::Settled(plans.into_iter().zip(drafts).map(outcome).collect()))
            }
            Err(failure) => self.fail(failure, drafts).await,
        }
    }

    /// What becomes of a batch of which nothing was committed.
    async fn fail(&mut self, failure: Failure, drafts: Vec<Draft>) -> Result<Attempt, StoreError> {
        self.directory.rollback();
        match failure {
            Failure::Constraint(err) => {
                tracing::warn!(error = %err, drafts = drafts.len(), "the schema refused a batch");
                Ok(Attempt::Broken(drafts))
            }
            Failure::Refused(err) => {
                self.warn(&err);
                self.database.discard().await;
                Ok(Attempt::Settled(drafts.iter().map(|_| Outcome::Refused(Refusal::Busy)).collect()))
            }
            Failure::Fatal(err) => Err(err),
        }
    }

    /// Looks up for what the nonces of a batch were used before, if there are any.
    async fn recall(&mut self, drafts: &[Draft]) -> Result<(), Failure> {
        let key = |draft: &Draft| {
            let (author, nonce) = draft.nonce()?;
            Some((self.directory.user_of(&author.token_hash)?.0, nonce.fingerprint()))
        };
        let keys: Vec<NonceKey> = drafts.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let (_, appender) = self.database.connections().await?;
        let earlier = appender.list_with_nonces(&self.index, &keys).map_err(SqliteError::from)?;
        self.directory.recall(earlier);
        Ok(())
    }

    /// Writes a slice of the index where one is due: some more messages than were just added, so that it keeps up.
    async fn fill_in(&mut self, added: usize) -> Result<(), StoreError> {
        let Some(filling) = self.filling.as_mut() else {
            self.filling = Filling::begin(&self.index);
            return Ok(());
        };
        let messages = self.index.segment_messages().div_ceil(SLICES_PER_SEGMENT).max(SLICE_PER_ADDED * added);
        let written = async {
            let (writing, _) = self.database.connections().await?;
            let is_whole = filling.write_slice(writing, &self.index, messages).await?;
            self.database.checkpointer.grew(SLICE_PAGES);
            Ok(is_whole)
        };
        match written.await {
            Ok(true) => self.filling = None,
            Ok(false) => {}
            Err(Failure::Refused(err)) => {
                self.warn(&err);
                self.database.discard().await;
            }
            Err(Failure::Constraint(err)) => return Err(StoreError::OutcomeUnknown(err)),
            Err(Failure::Fatal(err)) => return Err(err),
        }
        Ok(())
    }

    /// Says that the database takes nothing; not for every batch, for the log may lie on the same full disk.
    fn warn(&mut self, err: &SqliteError) {
        if self.warned_at.is_none_or(|warned_at| warned_at.elapsed() >= WARN_EVERY) {
            tracing::warn!(error = %err, "the database takes nothing at the moment");
            self.warned_at = Some(Instant::now());
        }
    }

    async fn commit(
        &mut self,
        drafts: &[Draft],
        plans: &[Plan],
        head: MessageId,
        now_ms: i64,
    ) -> Result<Vec<Removed>, Failure> {
        let (writing, appender) = self.database.connections().await?;
        let removed = batch::commit(writing, appender, drafts, plans, head, now_ms).await?;
        self.database.checkpointer.grew(dirtied_pages(drafts, plans));
        Ok(removed)
    }
}

/// About how many pages a commit dirties: some in any case, and what messages add to the log.
fn dirtied_pages(drafts: &[Draft], plans: &[Plan]) -> u64 {
    /// Units: pages, of a commit, and of a change that is no message.
    const LEAST_PAGES: u64 = 2;
    /// Units: bytes, of a message besides its content, and of a page.
    const MESSAGE_BYTES: usize = 100;
    const PAGE_BYTES: u64 = 4096;
    let changes = plans.iter().filter(|plan| plan.needs_statement()).count() as u64;
    let bytes: usize = drafts.iter().map(|draft| draft.content_bytes() + MESSAGE_BYTES).sum();
    LEAST_PAGES * (1 + changes) + bytes as u64 / PAGE_BYTES
}

impl Connections {
    /// The connections, after a checkpoint where the WAL is long.
    async fn connections(&mut self) -> Result<(&mut connect::Writing, &mut Appender), OpenError> {
        let (mut writing, appender) = match self.writing.take() {
            Some(connections) => connections,
            None => (connect::connect_writer(&self.path).await?, Appender::open(&self.path)?),
        };
        self.checkpointer.keep_short(&mut writing.conn).await;
        let (writing, appender) = self.writing.insert((writing, appender));
        Ok((writing, appender))
    }

    /// Gives up connections of which it is not known whether they are inside a transaction.
    async fn discard(&mut self) {
        if let Some((writing, _)) = self.writing.take()
            && let Err(err) = writing.conn.close_hard().await
        {
            tracing::warn!(error = %err, "closing a failed connection");
        }
    }

    async fn close(mut self) {
        self.readers.close().await;
        self.log_readers.close().await;
        self.checkpointer.stop().await;
        if let Some((writing, appender)) = self.writing.take() {
            drop(appender);
            connect::close(writing).await;
        }
    }
}
