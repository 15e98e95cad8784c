//! The task that receives: one connection after another, each from where the last one stopped.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::{Credentials, Ended, Event, OPEN_WITHIN, Options, Standing, Start, end, may_pass, retry_after};
use crate::client::{Client, ClientError, Login};
use crate::protocol::CodecError;
use crate::shutdown::Shutdown;

pub(super) struct Receiving {
    /// After each event, `start` is where the next connection begins.
    options: Options,
    events: mpsc::Sender<Event>,
    standing: watch::Sender<Standing>,
    backoff: Backoff,
    client: Option<Client>,
}

/// Why a connection is over.
enum Broken {
    /// Another may be better.
    For(ClientError),
    /// No other would be.
    Ended(Ended),
}

impl From<ClientError> for Broken {
    fn from(err: ClientError) -> Self {
        match err {
            ClientError::Refused(refused) if !may_pass(&refused) => Self::Ended(Ended::Refused(refused)),
            err => Self::For(err),
        }
    }
}

impl Receiving {
    pub(super) fn new(options: Options, events: mpsc::Sender<Event>, standing: watch::Sender<Standing>) -> Self {
        Self { options, events, standing, backoff: Backoff::default(), client: None }
    }

    /// Runs until there is nothing more to receive.
    pub(super) async fn run(mut self, mut shutdown: Shutdown) {
        tokio::select! {
            () = self.receive() => {}
            () = shutdown.triggered() => {}
        }
        if let Some(client) = self.client.take() {
            end(client).await;
        }
    }

    async fn receive(&mut self) {
        loop {
            let Err(broken) = self.follow().await;
            self.client = None;
            match broken {
                Broken::For(why) => self.pause(why).await,
                Broken::Ended(ended) => {
                    self.standing.send_replace(Standing::Ended(ended.clone()));
                    // Nobody to tell is as good as having told.
                    self.events.send(Event::Ended(ended)).await.ok();
                    return;
                }
            }
        }
    }

    /// Makes a connection and hands out what comes over it. Where an event has no room nothing more is read.
    async fn follow(&mut self) -> Result<Infallible, Broken> {
        let opened = timeout(OPEN_WITHIN, self.open()).await;
        let (client, login) = opened.map_err(|_| ClientError::Connect(io::ErrorKind::TimedOut.into()))??;
        let username = login.username.clone();
        let client = self.client.insert(client);
        let mut event = Event::Connected(login);
        loop {
            let id = event.id().map(str::to_owned);
            self.events.send(event).await.map_err(|_| Broken::Ended(Ended::Dropped))?;
            if let Some(id) = id {
                self.options.start = Start::After(id);
                self.backoff.reset();
            }
            event = match Event::of(client.next_update().await?, &username)? {
                Event::Ended(ended) => return Err(Broken::Ended(ended)),
                event => event,
            };
        }
    }

    async fn open(&mut self) -> Result<(Client, Login), ClientError> {
        let (mut client, _) = self.options.server.connect(&self.options.program).await?;
        let login = match &self.options.credentials {
            Credentials::Password { username, password } => client.log_in(username, password.expose()).await?,
            Credentials::Token { username, token } => client.resume(username, token.clone()).await?,
        };
        self.options.credentials = login.clone().into();
        self.standing.send_replace(Standing::LoggedIn(login.clone()));
        if self.options.start == Start::Now {
            self.options.start = Start::After(login.head.clone().ok_or(CodecError::NotAReply)?);
        }
        let after = match &self.options.start {
            Start::After(id) => Some(id.as_str()),
            Start::Oldest | Start::Now => None,
        };
        client.sync(after).await?;
        Ok((client, login))
    }

    async fn pause(&mut self, why: ClientError) {
        let at_least = match &why {
            ClientError::Refused(refused) => retry_after(refused),
            _ => None,
        };
        let wait = self.backoff.next().max(at_least.unwrap_or(Duration::ZERO));
        // Without room for it nobody looks, and one who only sends may never look.
        self.events.try_send(Event::Reconnecting { wait, why }).ok();
        sleep(wait).await;
    }
}
