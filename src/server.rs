//! Puts the parts together: opens the store, starts the service, binds, runs until told to stop, and ends in order.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::config::{Config, TlsConfig};
use crate::net::{self, Admission, Listener, Tls, TlsError, TlsFiles};
use crate::service::{Service, StartError, Started};
use crate::shutdown::{self, Shutdown, Trigger};
use crate::store::{QuickCheck, StoreError, Writing};

/// A server that is bound and has its database, but accepts nobody yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    service: Arc<Service>,
    database: PathBuf,
    quick_check: Option<QuickCheck>,
    writing: Writing,
    savers: [JoinHandle<()>; 3],
    saving_ends: Trigger,
    admission: Arc<Admission>,
    certificate: Option<Tls>,
}

/// The server cannot start. Each text says what to do, or has a source that does.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The service cannot start.
    #[error(transparent)]
    Service(#[from] StartError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no thread left.
    #[error("cannot start the thread that writes")]
    Thread(#[source] io::Error),
    /// An address cannot be bound.
    #[error("cannot listen on {address}: is another server running there?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running server had to give up.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The writer ended with an error.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// A task that everything rests on panicked.
    #[error("the {task} has panicked")]
    Panicked {
        /// Which.
        task: &'static str,
        /// How.
        source: JoinError,
    },
}

impl Server {
    /// Opens the database, migrates it, and binds every address.
    ///
    /// # Errors
    /// [`StartupError`].
    pub async fn start(config: &Config) -> Result<Self, StartupError> {
        // First, so that an address in use, or a bad certificate, leaves no new database behind.
        let mut listeners = Vec::new();
        for &address in &config.listen {
            listeners.push(bind(address, None)?);
        }
        let mut certificate = None;
        if let Some(TlsConfig { listen, certificate: chain, key }) = config.tls.clone() {
            let tls = Tls::load(TlsFiles { certificate: chain, key })?;
            for address in listen {
                listeners.push(bind(address, Some(tls.clone()))?);
            }
            certificate = Some(tls);
        }
        let (saving_ends, saving_ends_signal) = shutdown::channel();
        let Started { service, database, quick_check, writer, savers } =
            Service::start(config, saving_ends_signal).await?;
        let writing = writer.start().map_err(StartupError::Thread)?;
        let admission = Arc::new(Admission::new(&config.limits, net::raise_limit()));
        Ok(Self { listeners, service, database, quick_check, writing, savers, saving_ends, admission, certificate })
    }

    /// Where it listens, with real ports: first what is plain, then what is encrypted.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// What it shows over TLS, to have it read again.
    pub fn certificate(&self) -> Option<Tls> {
        self.certificate.clone()
    }

    /// Where it listens, in words.
    pub fn listening(&self) -> String {
        let word = |listener: &Listener| {
            let encrypted = if listener.is_encrypted() { " (TLS)" } else { "" };
            format!("{}{encrypted}", listener.address())
        };
        self.listeners.iter().map(word).collect::<Vec<_>>().join(" and ")
    }

    /// The database's canonical path.
    pub fn database(&self) -> PathBuf {
        self.database.clone()
    }

    /// Serves until `shutdown`, then ends in order: nobody new, answers to what was accepted, outboxes flushed, marks saved,
    /// the WAL moved into the database.
    ///
    /// # Errors
    /// [`ServeError`] when the database failed so that going on is not safe; nobody was answered since.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServeError> {
        let Self { listeners, service, quick_check, mut writing, savers, saving_ends, admission, .. } = self;
        let mut listening = JoinSet::new();
        for listener in listeners {
            listening.spawn(listener.run(service.clone(), Arc::clone(&admission), shutdown.clone()));
        }
        // Only now, so that it takes nothing from what the server needs in order to start.
        let quick_check = quick_check.map(|quick_check| tokio::spawn(quick_check.run(shutdown)));
        let served = async {
            while let Some(listened) = listening.join_next().await {
                joined(listened, "listener")?;
            }
            saving_ends.trigger();
            for saver in savers {
                joined(saver.await, "saver")?;
            }
            // The writer, which ends once the service is dropped, cannot move the WAL while anybody reads.
            if let Some(quick_check) = quick_check {
                joined(quick_check.await, "check of the database")?;
            }
            drop(service);
            Ok::<(), ServeError>(())
        };
        // The writer ends before its time only for an error.
        tokio::select! {
            served = served => served?,
            ended = writing.ended() => return ended.map_err(ServeError::from),
        }
        Ok(writing.ended().await?)
    }
}

fn bind(address: SocketAddr, tls: Option<Tls>) -> Result<Listener, StartupError> {
    Listener::bind(address, tls).map_err(|source| StartupError::Bind { address, source })
}

fn joined<T>(result: Result<T, JoinError>, task: &'static str) -> Result<T, ServeError> {
    result.map_err(|source| ServeError::Panicked { task, source })
}
