//! A connection's state: who is logged in, which requests are under way.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::oneshot;

use super::error::ServiceError;
use super::ticket::{self, LogInTicket, Reply, Settled, Ticket};
use super::{Probe, Receiver, Service, account, contact, group, list, message};
use crate::domain::{Secret, SessionId, Token, TokenHash, UserId, Username};
use crate::outbox::Outbox;
use crate::protocol::{Request, Response, VERSION, Welcome, WireLimits};
use crate::registry::Presence;
use crate::store::{After, Author, Draft, Origin, Refusal};

/// Units: characters of what a client calls itself that are kept.
const CLIENT_CHARS: usize = 64;

/// The rules' side of one connection. Requests take effect and are answered in the order in which they are handed in.
///
/// Consecutive messages are with the writer together; every other request waits until those before it are answered, and is
/// answered before the next is taken.
pub struct Session {
    service: Arc<Service>,
    outbox: Arc<Outbox>,
    receiver: Arc<Receiver>,
    /// Where the client is.
    address: IpAddr,
    /// The program that the client is, as it calls itself.
    client: Option<String>,
    login: Option<LogIn>,
    /// The login before: what it was sent may still be on its way. One is enough, for its client has received all of it before
    /// it logs in again, or else has not waited for the response to its logout.
    departed: Option<Presence<Receiver>>,
}

/// Who hands in a request without a token, and since when it waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) address: IpAddr,
    pub(super) since: Instant,
}

/// This connection's login.
struct LogIn {
    user_id: UserId,
    username: Arc<str>,
    token: Token,
    token_hash: TokenHash,
    presence: Presence<Receiver>,
    /// Whether it follows the log, in version 2.
    is_synced: bool,
}

impl Session {
    /// A session of a connection from `address` on which nobody is logged in. `probe` notes what the connection's peer has received by now.
    pub fn new(service: Arc<Service>, outbox: Arc<Outbox>, address: IpAddr, probe: Arc<dyn Probe>) -> Self {
        let receiver = Arc::new(Receiver::new(Arc::clone(&outbox), probe));
        Self { service, outbox, receiver, address, client: None, login: None, departed: None }
    }

    /// Carries a request out. Returns when the next may be handed in; the response goes into the outbox by itself.
    pub async fn handle(&mut self, request: Request<'_>) {
        if matches!(request, Request::Whisper { .. } | Request::MessageGroup { .. }) {
            self.keep_pace().await;
        }
        let sequence = self.outbox.ask().await;
        let handled = match request {
            request @ (Request::Whisper { .. } | Request::MessageGroup { .. }) => {
                let draft = self.message(request);
                self.submit_message(sequence, draft).await
            }
            other => {
                self.outbox.answered_before(sequence).await;
                // In a box while it lasts: a connection's future would keep room for the longest of them, thousands of bytes.
                Box::pin(self.handle_alone(sequence, other)).await
            }
        };
        if let Err(err) = handled {
            drop(ticket::refuse(&self.outbox, sequence, &err));
        }
    }

    fn message(&self, request: Request<'_>) -> Result<Draft, ServiceError> {
        let limits = self.service.limits();
        match request {
            Request::Whisper { username, token, recipient, content, nonce } => {
                message::whisper(self.author(&username, &token)?, &recipient, &content, nonce.as_deref(), limits)
            }
            Request::MessageGroup { username, token, group_name, content, nonce } => {
                message::message_group(self.author(&username, &token)?, &group_name, &content, nonce.as_deref(), limits)
            }
            other => unreachable!("{:?} is no message", other.action()),
        }
    }

    /// Waits as long as what was said on this connection before has earned.
    async fn keep_pace(&mut self) {
        if self.receiver.pace.held_until().is_none() {
            return;
        }
        self.answered().await;
        if let Some(until) = self.receiver.pace.held_until() {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    /// Whether the client has shown who it is: by a login, or by a token that was accepted.
    pub fn is_known(&self) -> bool {
        self.receiver.is_known.load(Ordering::Relaxed)
    }

    /// Returns when this connection's login has ended elsewhere, so that the connection has to end.
    ///
    /// Cancel safety: may be dropped and called again.
    pub async fn ended(&self) {
        self.receiver.ended.notified().await;
    }

    /// Answers something that is no request.
    pub async fn refuse(&mut self, err: &ServiceError) {
        let sequence = self.outbox.ask().await;
        drop(ticket::refuse(&self.outbox, sequence, err));
    }

    /// Returns once everything that was handed in is answered.
    pub async fn answered(&mut self) {
        let sequence = self.outbox.asked();
        self.outbox.answered_before(sequence).await;
    }

    async fn handle_alone(&mut self, sequence: u64, request: Request<'_>) -> Result<(), ServiceError> {
        let asker = Asker { address: self.address, since: Instant::now() };
        match request {
            Request::Register { username, password } => {
                let draft = account::register(&self.service, asker, &username, &password).await?;
                self.submit(sequence, draft, asker.since).await
            }
            Request::LogIn { username, password } => self.log_in(sequence, asker, &username, &password).await,
            Request::LogOut { username } => self.log_out(sequence, &username).await,
            Request::AddContact { username, token, contact } => {
                let author = self.author(&username, &token)?;
                self.submit(sequence, contact::add(author, &contact), asker.since).await
            }
            Request::CreateGroup { username, token, group_name } => {
                let author = self.author(&username, &token)?;
                self.submit(sequence, group::create(author, &group_name)?, asker.since).await
            }
            Request::JoinGroup { username, token, group_name } => {
                let author = self.author(&username, &token)?;
                self.submit(sequence, group::join(author, &group_name), asker.since).await
            }
            later => self.handle_later(sequence, asker, later).await,
        }
    }

    /// What version 2 has besides.
    async fn handle_later(&mut self, sequence: u64, asker: Asker, request: Request<'_>) -> Result<(), ServiceError> {
        match request {
            Request::Hello { version, client } => self.welcome(sequence, version, client.as_deref()),
            Request::Resume { username, token } => self.resume(sequence, asker, &username, &token).await,
            Request::Sync { username, token, after } => {
                self.sync(sequence, asker, &username, &token, after.as_deref()).await
            }
            Request::RemoveContact { username, token, contact } => {
                let author = self.author(&username, &token)?;
                self.submit(sequence, contact::remove(author, &contact), asker.since).await
            }
            Request::LeaveGroup { username, token, group_name } => {
                let author = self.author(&username, &token)?;
                self.submit(sequence, group::leave(author, &group_name), asker.since).await
            }
            Request::MarkRead { username, token, of, id } => {
                let author = self.author(&username, &token)?;
                let upto = self.service.epoch.parse(&id).map_or(After::Unknown, After::Message);
                self.submit(sequence, Draft::MarkRead { author, of: list::of(of), upto }, asker.since).await
            }
            Request::EndSession { username, token, session } => {
                let author = self.author(&username, &token)?;
                let session_id = session.parse().ok().map(SessionId);
                self.submit(sequence, Draft::EndSession { author, session_id }, asker.since).await
            }
            Request::EndOtherSessions { username, token } => {
                let author = self.author(&username, &token)?;
                self.submit(sequence, Draft::EndOtherSessions { author }, asker.since).await
            }
            Request::ChangePassword { username, token, password, new_password } => {
                let author = self.author(&username, &token)?;
                let draft = account::change_password(&self.service, asker, author, &password, &new_password).await?;
                self.submit(sequence, draft, asker.since).await
            }
            Request::DeleteAccount { username, token, password } => {
                let author = self.author(&username, &token)?;
                let draft = account::delete(&self.service, asker, author, &password).await?;
                self.submit(sequence, draft, asker.since).await
            }
            asked => {
                let response = self.list(asker, asked).await?;
                drop(self.outbox.respond(sequence, response.encode(self.outbox.framing()).into()));
                Ok(())
            }
        }
    }

    /// What is asked for without changing anything.
    async fn list(&self, asker: Asker, request: Request<'_>) -> Result<Response, ServiceError> {
        let service = &self.service;
        match request {
            Request::History { username, token, of, range } => {
                list::history(service, self.identify(asker, &username, &token).await?, of, &range).await
            }
            Request::Contacts { username, token, page } => {
                list::contacts(service, self.identify(asker, &username, &token).await?, &page).await
            }
            Request::Groups { username, token, page } => {
                list::groups(service, self.identify(asker, &username, &token).await?, &page).await
            }
            Request::Members { username, token, group_name, page } => {
                list::members(service, self.identify(asker, &username, &token).await?, &group_name, &page).await
            }
            Request::FindGroups { username, token, prefix, page } => {
                self.identify(asker, &username, &token).await?;
                list::find_groups(service, &prefix, &page).await
            }
            Request::Sessions { username, token } => {
                let own = Token::parse(&token).ok_or(Refusal::NotAuthenticated)?.hash();
                list::sessions(service, self.identify(asker, &username, &token).await?, &own).await
            }
            other => unreachable!("{:?} is handled elsewhere", other.action()),
        }
    }

    /// Whose token this is. This connection's own login is known; for others the writer is asked.
    async fn identify(&self, asker: Asker, username: &str, token: &Secret<'_>) -> Result<UserId, ServiceError> {
        let author = self.author(username, token)?;
        if let Some(login) = self.login.as_ref().filter(|_| author.is_own_login)
            && login.username.eq_ignore_ascii_case(username)
        {
            return Ok(login.user_id);
        }
        let (identified, is_identified) = oneshot::channel();
        let ticket = Ticket::Identify(Arc::clone(&self.receiver), identified);
        self.queue(Draft::Identify { author }, ticket, asker.since).await?;
        // Without a word only when the server ends, and this connection with it.
        Ok(is_identified.await.unwrap_or(Err(Refusal::Busy))?)
    }

    async fn log_in(
        &mut self,
        sequence: u64,
        asker: Asker,
        username: &str,
        password: &Secret<'_>,
    ) -> Result<(), ServiceError> {
        if self.login.is_some() {
            return Err(ServiceError::LoggedInAlready);
        }
        let origin = Origin { address: self.address.to_string(), client: self.client.clone() };
        let log_in = account::log_in(&self.service, asker, origin, username, password);
        let account::LogIn { draft, token } = log_in.await?;
        self.begin(sequence, asker, draft, token).await
    }

    async fn resume(
        &mut self,
        sequence: u64,
        asker: Asker,
        username: &str,
        token: &Secret<'_>,
    ) -> Result<(), ServiceError> {
        if self.login.is_some() {
            return Err(ServiceError::LoggedInAlready);
        }
        let token = Token::parse(token).ok_or(Refusal::NotAuthenticated)?;
        let username = Username::parse(username).ok();
        let author = Author { username, token_hash: token.hash(), is_own_login: false };
        self.begin(sequence, asker, Draft::Resume { author }, token).await
    }

    /// Logs this connection in, by whatever draft.
    async fn begin(&mut self, sequence: u64, asker: Asker, draft: Draft, token: Token) -> Result<(), ServiceError> {
        let (settled, is_settled) = oneshot::channel();
        let ticket = Ticket::LogIn(LogInTicket { reply: self.reply(sequence, true), token, settled });
        self.queue(draft, ticket, asker.since).await?;
        if let Ok(Settled::LoggedIn { presence, user_id, username }) = is_settled.await {
            self.login = Some(LogIn { user_id, username, token, token_hash: token.hash(), presence, is_synced: false });
        }
        Ok(())
    }

    /// Turns version 2 on. The decoder does so too, for the same request.
    fn welcome(&mut self, sequence: u64, version: i64, client: Option<&str>) -> Result<(), ServiceError> {
        if version < VERSION {
            return Err(ServiceError::Version);
        }
        // Only people read it, in the list of their sessions.
        self.client = client
            .map(|client| client.chars().take(CLIENT_CHARS).collect())
            .filter(|client: &String| !client.is_empty());
        self.outbox.speak_version_2();
        let limits = self.service.limits();
        let welcome = Welcome {
            server: concat!("chinwag/", env!("CARGO_PKG_VERSION")).to_owned(),
            version: VERSION,
            limits: WireLimits {
                content_bytes: limits.content_bytes as u64,
                request_bytes: limits.request_bytes as u64,
                in_flight: limits.in_flight as u64,
            },
        };
        drop(self.outbox.respond(sequence, Response::Welcome(welcome).encode(self.outbox.framing()).into()));
        Ok(())
    }

    async fn sync(
        &mut self,
        sequence: u64,
        asker: Asker,
        username: &str,
        token: &Secret<'_>,
        after: Option<&str>,
    ) -> Result<(), ServiceError> {
        let author = self.author(username, token)?;
        let login = self.login.as_ref().filter(|_| author.is_own_login).ok_or(ServiceError::NotLoggedIn)?;
        if login.is_synced {
            return Err(ServiceError::SyncedAlready);
        }
        let after = match after {
            None => After::Nothing,
            Some(id) => self.service.epoch.parse(id).map_or(After::Unknown, After::Message),
        };
        let (settled, is_settled) = oneshot::channel();
        let ticket = Ticket::Request(self.reply(sequence, true), settled);
        self.queue(Draft::Sync { author, after }, ticket, asker.since).await?;
        if let (Ok(Settled::Done), Some(login)) = (is_settled.await, &mut self.login) {
            login.is_synced = true;
        }
        Ok(())
    }

    async fn log_out(&mut self, sequence: u64, username: &str) -> Result<(), ServiceError> {
        let own = self.login.as_ref().filter(|login| login.username.eq_ignore_ascii_case(username));
        let token_hash = own.ok_or(ServiceError::NotLoggedIn)?.token_hash;
        let (settled, is_settled) = oneshot::channel();
        let ticket = Ticket::Request(self.reply(sequence, false), settled);
        self.queue(Draft::LogOut { token_hash }, ticket, Instant::now()).await?;
        if let Ok(Settled::Done) = is_settled.await {
            // A login elsewhere must not be told again what was received here, up to the response of the logout.
            self.departed = self.login.take().map(|login| login.presence);
            self.departed.iter().for_each(Presence::depart);
        }
        Ok(())
    }

    /// Queues a draft and waits until it is answered.
    async fn submit(&self, sequence: u64, draft: Draft, since: Instant) -> Result<(), ServiceError> {
        let shows_user = !matches!(draft, Draft::Register { .. });
        let (settled, is_settled) = oneshot::channel();
        self.queue(draft, Ticket::Request(self.reply(sequence, shows_user), settled), since).await?;
        // Without a word only when the server ends, and this connection with it.
        is_settled.await.ok();
        Ok(())
    }

    /// Queues a message, to be answered while the connection goes on.
    fn submit_message(
        &self,
        sequence: u64,
        draft: Result<Draft, ServiceError>,
    ) -> impl Future<Output = Result<(), ServiceError>> {
        let queued = draft.map(|draft| self.queue(draft, Ticket::Message(self.reply(sequence, true)), Instant::now()));
        async move { queued?.await }
    }

    /// Queues a draft at once if there is room. What is returned waits until there is.
    fn queue(&self, draft: Draft, ticket: Ticket, since: Instant) -> impl Future<Output = Result<(), ServiceError>> {
        let queued = self.service.store.submit(draft, ticket, since);
        async move { queued.await.map_err(|_| Refusal::Busy.into()) }
    }

    fn reply(&self, sequence: u64, shows_user: bool) -> Reply {
        Reply { receiver: Arc::clone(&self.receiver), sequence, shows_user }
    }

    fn author(&self, username: &str, token: &Secret<'_>) -> Result<Author, ServiceError> {
        let (username, token) = (Username::parse(username).ok(), Token::parse(token).ok_or(Refusal::NotAuthenticated)?);
        // Nearly every request shows the token of its own connection's login, whose hash is there.
        match self.login.as_ref().filter(|login| login.token == token) {
            Some(login) => Ok(Author { username, token_hash: login.token_hash, is_own_login: true }),
            None => Ok(Author { username, token_hash: token.hash(), is_own_login: false }),
        }
    }
}
