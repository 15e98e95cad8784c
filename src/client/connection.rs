//! One connection to a server.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::ToSocketAddrs;
use tokio_rustls::rustls::RootCertStore;

use super::dial::{self, Stream};
use super::error::ClientError;
use crate::domain::Secret;
use crate::protocol::{
    Action, CodecError, Framing, FromServer, ReplyDecoder, Request, Response, Update, VERSION, Welcome,
};

/// Units: bytes of the longest response or update that is taken; the server's are far shorter.
const MAX_BYTES: usize = 1024 * 1024;

/// Units: bytes of updates that are kept while nobody takes them. Who sends without ever reading is told so by then.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// One connection to a server.
///
/// Its methods send a request and wait for the response; updates that arrive meanwhile are kept, in order, for
/// [`Client::next_update`]. To have several requests under way, [`Client::send`] them and then take each
/// [`Client::next_response`].
///
/// ```no_run
/// use chinwag::client::Client;
/// use chinwag::protocol::{Framing, Update};
///
/// # async fn talk() -> Result<(), chinwag::client::ClientError> {
/// let mut ada = Client::connect("127.0.0.1:4242", Framing::Array).await?;
/// ada.register("ada", "a long passphrase").await?;
/// ada.log_in("ada", "a long passphrase").await?;
/// ada.whisper("ada", "note to self").await?;
/// if let Update::Whisper { sender, content, .. } = ada.next_update().await? {
///     println!("{sender}: {content}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Client {
    stream: Box<dyn Stream>,
    framing: Framing,
    decoder: ReplyDecoder,
    input: BytesMut,
    awaited: VecDeque<Action>,
    updates: VecDeque<Update>,
    kept_bytes: usize,
    login: Option<Login>,
}

/// Who a client is: what authenticates its requests, here and on any other connection.
#[derive(Debug, Clone)]
pub struct Login {
    /// As registered.
    pub username: String,
    /// Whoever has it is this user.
    pub token: Secret<'static>,
    /// The newest message when this began, for who wants to [sync](Client::sync) from now on. Only version 2 tells.
    pub head: Option<String>,
}

impl Login {
    /// The first two arguments of its requests.
    pub fn credentials(&self) -> (Cow<'static, str>, Secret<'static>) {
        (self.username.clone().into(), self.token.clone())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let username = self.login.as_ref().map(|login| &login.username);
        f.debug_struct("Client").field("framing", &self.framing).field("username", &username).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects without encryption: for a server on the same machine, or behind a tunnel.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub async fn connect(address: impl ToSocketAddrs, framing: Framing) -> Result<Self, ClientError> {
        Ok(Self::over(dial::tcp(address).await?, framing))
    }

    /// Connects over TLS. The server must show a certificate for `name` that one of the `trusted` vouches for.
    ///
    /// # Errors
    /// [`ClientError::Connect`], [`ClientError::Name`].
    pub async fn connect_tls(
        address: impl ToSocketAddrs,
        name: &str,
        trusted: RootCertStore,
        framing: Framing,
    ) -> Result<Self, ClientError> {
        Ok(Self::over(dial::tls(address, name, trusted).await?, framing))
    }

    /// A client over a connection that was made otherwise: from a certain address, say. Nothing may have been sent on it.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static, framing: Framing) -> Self {
        Self {
            stream: Box::new(stream),
            framing,
            decoder: ReplyDecoder::new(framing, MAX_BYTES),
            input: BytesMut::new(),
            awaited: VecDeque::new(),
            updates: VecDeque::new(),
            kept_bytes: 0,
            login: None,
        }
    }

    /// Creates a user.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the name is taken, or the name or the password is not allowed.
    pub async fn register(&mut self, username: &str, password: &str) -> Result<(), ClientError> {
        let request = Request::Register { username: username.into(), password: Secret::new(password) };
        self.request(&request).await
    }

    /// Logs this connection in: from now on it receives updates, first those that were missed.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the name or the password is wrong, or the connection is logged in already.
    pub async fn log_in(&mut self, username: &str, password: &str) -> Result<Login, ClientError> {
        let request = Request::LogIn { username: username.into(), password: Secret::new(password) };
        self.request(&request).await?;
        self.login.clone().ok_or(ClientError::NotLoggedIn)
    }

    /// Turns version 2 on. To be called before anything else, on a connection in array framing; `client` is this program's name
    /// and version.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the server speaks no version 2.
    pub async fn hello(&mut self, client: &str) -> Result<Welcome, ClientError> {
        match self.ask(&Request::Hello { version: VERSION, client: Some(client.into()) }).await? {
            Response::Welcome(welcome) => Ok(welcome),
            _ => Err(CodecError::NotAReply.into()),
        }
    }

    /// Logs this connection in with the token of an earlier login, in version 2.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the token has ended, or the connection is logged in already.
    pub async fn resume(&mut self, username: &str, token: Secret<'_>) -> Result<Login, ClientError> {
        self.request(&Request::Resume { username: username.into(), token }).await?;
        self.login.clone().ok_or(ClientError::NotLoggedIn)
    }

    /// From now on this connection receives every message of its user's conversations behind the message `after`, each once and
    /// in order; without one from the oldest that is kept. Version 2 sends no message before this.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when it was called before, [`ClientError::NotLoggedIn`].
    pub async fn sync(&mut self, after: Option<&str>) -> Result<(), ClientError> {
        let (username, token) = self.login()?.credentials();
        self.request(&Request::Sync { username, token, after: after.map(Into::into) }).await
    }

    /// Ends this connection's login and its token.
    ///
    /// # Errors
    /// [`ClientError::Refused`], [`ClientError::NotLoggedIn`].
    pub async fn log_out(&mut self) -> Result<(), ClientError> {
        let username = self.login()?.username.clone().into();
        self.request(&Request::LogOut { username }).await?;
        self.login = None;
        Ok(())
    }

    /// Adds a user to one's contacts; one who is there already stays.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when there is no such user, or it is oneself.
    pub async fn add_contact(&mut self, contact: &str) -> Result<(), ClientError> {
        let (username, token) = self.login()?.credentials();
        self.request(&Request::AddContact { username, token, contact: contact.into() }).await
    }

    /// Says something to one user. When this returns it is stored.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when there is no such user, or the content is empty or too long.
    pub async fn whisper(&mut self, recipient: &str, content: &str) -> Result<(), ClientError> {
        let (username, token) = self.login()?.credentials();
        let (recipient, content) = (recipient.into(), content.into());
        self.request(&Request::Whisper { username, token, recipient, content, nonce: None }).await
    }

    /// Creates a group, owns it and is a member of it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the name is taken or not allowed.
    pub async fn create_group(&mut self, group_name: &str) -> Result<(), ClientError> {
        let (username, token) = self.login()?.credentials();
        self.request(&Request::CreateGroup { username, token, group_name: group_name.into() }).await
    }

    /// Joins a group.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when there is no such group, or one is a member already.
    pub async fn join_group(&mut self, group_name: &str) -> Result<(), ClientError> {
        let (username, token) = self.login()?.credentials();
        self.request(&Request::JoinGroup { username, token, group_name: group_name.into() }).await
    }

    /// Says something to all members of a group, oneself included. When this returns it is stored.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when one is no member, or the content is empty or too long.
    pub async fn message_group(&mut self, group_name: &str, content: &str) -> Result<(), ClientError> {
        let (username, token) = self.login()?.credentials();
        let (group_name, content) = (group_name.into(), content.into());
        self.request(&Request::MessageGroup { username, token, group_name, content, nonce: None }).await
    }

    /// Sends a request and waits for its success, and so for the responses to all sent before.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn request(&mut self, request: &Request<'_>) -> Result<(), ClientError> {
        self.ask(request).await.map(drop)
    }

    /// Sends a request and waits for its response, and so for those to all sent before.
    ///
    /// # Errors
    /// [`ClientError::Refused`], and what ends a connection.
    pub async fn ask(&mut self, request: &Request<'_>) -> Result<Response, ClientError> {
        self.send(request).await?;
        while self.awaited.len() > 1 {
            self.next_response().await?;
        }
        match self.next_response().await? {
            Response::Refused(refused) => Err(ClientError::Refused(refused)),
            response => Ok(response),
        }
    }

    /// Sends a request without waiting for the response.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub async fn send(&mut self, request: &Request<'_>) -> Result<(), ClientError> {
        self.awaited.push_back(request.action());
        self.stream.write_all(&request.encode(self.framing)).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The response to the oldest request that has none yet. Updates that come before it are kept.
    ///
    /// Cancel safety: may be dropped and called again.
    ///
    /// # Errors
    /// What ends a connection.
    pub async fn next_response(&mut self) -> Result<Response, ClientError> {
        loop {
            match self.read().await? {
                FromServer::Response(response) => return self.answered(response),
                FromServer::Update(update) => self.keep(update)?,
            }
        }
    }

    /// The next update: the oldest that was kept, or else the next to arrive. Waits as long as it takes.
    ///
    /// Cancel safety: may be dropped and called again.
    ///
    /// # Errors
    /// What ends a connection; [`ClientError::Unasked`] when a response comes first, for a request that was
    /// [sent](Client::send) and whose response was not taken.
    pub async fn next_update(&mut self) -> Result<Update, ClientError> {
        if let Some(update) = self.take_update() {
            return Ok(update);
        }
        match self.read().await? {
            FromServer::Update(update) => Ok(update),
            FromServer::Response(_) => Err(ClientError::Unasked),
        }
    }

    /// The oldest update that has arrived but was not taken, without waiting for any.
    pub fn take_update(&mut self) -> Option<Update> {
        let update = self.updates.pop_front()?;
        self.kept_bytes -= size_bytes(&update);
        Some(update)
    }

    /// Who is logged in.
    ///
    /// # Errors
    /// [`ClientError::NotLoggedIn`].
    pub fn login(&self) -> Result<&Login, ClientError> {
        self.login.as_ref().ok_or(ClientError::NotLoggedIn)
    }

    /// Authenticates this connection's requests with a login of another connection. It receives no updates by that.
    pub fn use_login(&mut self, login: Login) {
        self.login = Some(login);
    }

    /// Tells the server that nothing more comes; what it still sends can be received further on.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub async fn shut_down(&mut self) -> Result<(), ClientError> {
        Ok(self.stream.shutdown().await?)
    }

    /// Ends the connection well: tells the server that nothing more comes, and takes in what it still sends. The updates
    /// among it are returned; they count as received.
    ///
    /// # Errors
    /// [`ClientError::Io`] when the connection broke instead.
    pub async fn close(mut self) -> Result<Vec<Update>, ClientError> {
        self.shut_down().await?;
        let mut updates: Vec<Update> = self.updates.drain(..).collect();
        loop {
            match self.read().await {
                Ok(FromServer::Update(update)) => updates.push(update),
                Ok(FromServer::Response(_)) => {
                    self.awaited.pop_front();
                }
                Err(ClientError::Closed) => return Ok(updates),
                Err(err) => return Err(err),
            }
        }
    }

    /// Ends the connection well, and drops what the server still sends.
    pub(super) async fn end(mut self) -> Result<(), ClientError> {
        self.shut_down().await?;
        loop {
            self.input.clear();
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(());
            }
        }
    }

    fn answered(&mut self, response: Response) -> Result<Response, ClientError> {
        let action = self.awaited.pop_front().ok_or(ClientError::Unasked)?;
        if let (Action::LogIn | Action::Resume, Response::LoggedIn { username, token, head }) = (action, &response) {
            self.login = Some(Login { username: username.clone(), token: token.clone(), head: head.clone() });
        }
        Ok(response)
    }

    fn keep(&mut self, update: Update) -> Result<(), ClientError> {
        self.kept_bytes += size_bytes(&update);
        self.updates.push_back(update);
        if self.kept_bytes > MAX_KEPT_BYTES { Err(ClientError::TooManyUpdates) } else { Ok(()) }
    }

    async fn read(&mut self) -> Result<FromServer, ClientError> {
        loop {
            let decoded = self.decoder.decode(&self.input, self.awaited.front().copied())?;
            if let Some((from_server, length)) = decoded {
                self.input.advance(length);
                return Ok(from_server);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }
}

fn size_bytes(update: &Update) -> usize {
    size_of::<Update>()
        + match update {
            Update::Whisper { sender, content, .. } => sender.len() + content.len(),
            Update::GroupMessage { group_name, sender, content, .. } => group_name.len() + sender.len() + content.len(),
            // Ids, codes and names.
            _ => 128,
        }
}
