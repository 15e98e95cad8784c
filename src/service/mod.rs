//! The rules of the chat: what a request means, in which order it takes effect, and who is told.
//!
//! A connection's [`Session`] turns requests into drafts for the store; the dispatcher turns outcomes into responses and
//! updates. Nothing here knows a socket or a line of SQL.

mod account;
mod argon2id;
mod contact;
mod dispatch;
mod error;
mod group;
mod list;
mod marks;
mod message;
mod owed;
mod pace;
mod password;
mod rates;
mod session;
mod ticket;
mod upkeep;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use error::{ServiceError, StartError};
pub use session::Session;

use crate::config::{Config, Limits};
use crate::domain::{Epoch, Network};
use crate::outbox::{Gap, Outbox, Received};
use crate::protocol::Update;
use crate::registry;
use crate::shutdown::Shutdown;
use crate::store::{self, Opened, Page, Place, QuickCheck, Scope, Store, StoreError, Writing};
use dispatch::Dispatcher;
use marks::Marks;
use owed::EncodedPage;
use pace::Pace;
use password::PasswordHasher;
use rates::Buckets;
use ticket::Ticket;
use upkeep::Pruner;

/// Who knows how far the peer of one connection has received the log.
pub trait Probe: Send + Sync {
    /// Notes how far that is by now.
    fn probe(&self);
}

impl<F: Fn() + Send + Sync> Probe for F {
    fn probe(&self) {
        self();
    }
}

/// Who is online here.
type Registry = registry::Registry<Receiver>;

/// What receives for one connection.
struct Receiver {
    outbox: Arc<Outbox>,
    probe: Arc<dyn Probe>,
    /// Whether a login or a token on this connection was accepted.
    is_known: AtomicBool,
    /// Who was logged in last, for the dispatcher alone.
    user_id: AtomicI64,
    pace: Pace,
    /// Tells the connection that its login has ended elsewhere.
    ended: Notify,
}

impl Receiver {
    fn new(outbox: Arc<Outbox>, probe: Arc<dyn Probe>) -> Self {
        Self {
            outbox,
            probe,
            is_known: AtomicBool::new(false),
            user_id: AtomicI64::new(0),
            pace: Pace::default(),
            ended: Notify::new(),
        }
    }

    fn probe(&self) {
        self.probe.probe();
    }

    /// Ends the connection, whose login has ended for a reason that `code` names.
    fn end(&self, code: &str) {
        let last = Update::SessionEnded { code: code.to_owned() };
        self.outbox.end(self.outbox.is_version_2().then(|| last.encode(self.outbox.framing()).into()));
        self.ended.notify_one();
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

/// What all connections share.
#[derive(Debug)]
pub struct Service {
    store: Store<Ticket>,
    marks: Arc<Marks>,
    passwords: PasswordHasher,
    /// By folded name and where the client is.
    logins: Buckets<(String, Network)>,
    registrations: Buckets<Network>,
    limits: Limits,
    epoch: Epoch,
    registry: Arc<Registry>,
}

/// A service and its tasks.
#[derive(Debug)]
pub struct Started {
    /// The handle.
    pub service: Arc<Service>,
    /// The database's canonical path.
    pub database: PathBuf,
    /// What is to be made where the last end was unclean, once the server serves; the writer is to end after it.
    pub quick_check: Option<QuickCheck>,
    /// What writes, answers and delivers, which is to be started.
    pub writer: Writer,
    /// What saves or deletes from time to time; ends, after saving a last time, once it is told to stop.
    pub savers: [JoinHandle<()>; 3],
}

/// Commits what is asked for, then answers it and delivers what was said.
#[derive(Debug)]
pub struct Writer {
    store: store::Writer<Ticket>,
    dispatcher: Dispatcher,
}

impl Writer {
    /// Starts a thread that does so until every handle of the service is dropped. Must be called within a runtime.
    ///
    /// # Errors
    /// The system's, when it has no thread to give.
    pub fn start(self) -> io::Result<Writing> {
        let Self { store, mut dispatcher } = self;
        store.start(move |committed| dispatcher.dispatch_all(committed))
    }

    /// Does so on the thread that this runs on, which waits for the disk meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when going on is not safe.
    pub async fn run(self) -> Result<(), StoreError> {
        let Self { store, mut dispatcher } = self;
        store.run(move |committed| dispatcher.dispatch_all(committed)).await
    }
}

impl Service {
    /// Opens the database and starts the tasks but the writer. `saving_ends` tells the savers to save a last time.
    ///
    /// # Errors
    /// [`StartError`] when the database cannot be used, or the password cost is not one that Argon2 takes.
    pub async fn start(config: &Config, saving_ends: Shutdown) -> Result<Started, StartError> {
        let Opened { store, path: database, head, epoch, quick_check, writer } = Store::open(config).await?;
        let registry = Arc::new(Registry::default());
        let marks = Arc::new(Marks::default());
        let passwords = PasswordHasher::new(config.password_cost, config.limits.busy_after)?;
        let dispatcher = Dispatcher::new(Arc::clone(&registry), Arc::clone(&marks), head, epoch.clone());
        let pruner = Pruner::new(config.retention.clone(), config.clock.clone(), store.clone());
        let savers = [
            tokio::spawn(marks::save_regularly(Arc::clone(&marks), store.clone(), saving_ends.clone())),
            tokio::spawn(upkeep::save_regularly(Arc::clone(&registry), store.clone(), saving_ends.clone())),
            tokio::spawn(pruner.run(saving_ends)),
        ];
        let service = Self {
            store,
            marks,
            passwords,
            logins: Buckets::new(config.limits.login_rate),
            registrations: Buckets::new(config.limits.registration_rate),
            limits: config.limits.clone(),
            epoch,
            registry,
        };
        let writer = Writer { store: writer, dispatcher };
        Ok(Started { service: Arc::new(service), database, quick_check, writer, savers })
    }

    /// What one client may take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Notes that a user has received the log up to a message: a connection of theirs has acknowledged its bytes.
    pub fn received(&self, received: Received) {
        self.marks.note(received);
    }

    /// Reads what is owed in `gap` from the store into `outbox`.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn read_on(&self, outbox: &Outbox, gap: Gap) -> Result<(), StoreError> {
        let place = Place { after: gap.after, upto: gap.upto, room_bytes: gap.room_bytes };
        let framing = outbox.framing();
        let epoch = outbox.is_version_2().then_some(&self.epoch);
        let scope = if epoch.is_some() { Scope::Conversations } else { Scope::Received };
        let page = loop {
            let epoch = epoch.cloned();
            let encode = move |page: Page| EncodedPage::new(framing, epoch.as_ref(), &page);
            match self.store.list_owed(gap.user_id, scope, place, encode).await {
                // Many are catching up, and each gets its turn: waiting is better than cutting it off.
                Err(StoreError::Busy) => {}
                page => break page,
            }
        };
        let page = page.inspect_err(|err| {
            tracing::error!(error = err as &dyn std::error::Error, "reading what a connection is owed failed");
        })?;
        if let Some(epoch) = epoch {
            let encode = || Update::Gap { id: epoch.id(page.first) }.encode(framing).into();
            outbox.miss(gap, page.pruned_upto, encode);
        }
        outbox.fill(gap, page.updates, page.reached);
        Ok(())
    }
}
