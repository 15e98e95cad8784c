//! What a chat is started with.

use tokio_rustls::rustls::RootCertStore;

use crate::client::{Client, ClientError, Login, dial};
use crate::domain::Secret;
use crate::protocol::{Framing, WireLimits};

/// Where a [`Chat`](super::Chat) goes, as whom, and what it receives.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the server is.
    pub server: Endpoint,
    /// Whose messages these are.
    pub credentials: Credentials,
    /// Where receiving begins.
    pub start: Start,
    /// This program's name and version, for the server.
    pub program: String,
}

/// Where a server is. Its name is looked up anew for each connection.
#[derive(Debug, Clone)]
pub struct Endpoint {
    address: String,
    tls: Option<(String, RootCertStore)>,
}

/// What shows who a user is.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// For the first login, which makes a token. The password is forgotten with that.
    Password {
        /// In whichever case.
        username: String,
        /// The user's.
        password: Secret<'static>,
    },
    /// Of an earlier login.
    Token {
        /// In whichever case.
        username: String,
        /// The login's.
        token: Secret<'static>,
    },
}

/// From where on messages are handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Everything that the server keeps.
    Oldest,
    /// What comes behind the message or `Synced` with this id.
    After(String),
    /// What is accepted after the login.
    Now,
}

impl From<Login> for Credentials {
    fn from(Login { username, token, .. }: Login) -> Self {
        Self::Token { username, token }
    }
}

impl Endpoint {
    /// Without encryption, at `host:port`: on the same machine, or behind a tunnel.
    pub fn plain(address: impl Into<String>) -> Self {
        Self { address: address.into(), tls: None }
    }

    /// Over TLS. The server must show a certificate for `name` that one of the `trusted` vouches for.
    ///
    /// # Errors
    /// [`ClientError::Name`].
    pub fn tls(address: impl Into<String>, name: &str, trusted: RootCertStore) -> Result<Self, ClientError> {
        dial::server_name(name)?;
        Ok(Self { address: address.into(), tls: Some((name.to_owned(), trusted)) })
    }

    /// A connection that speaks version 2, and what the server takes on it.
    pub(super) async fn connect(&self, program: &str) -> Result<(Client, WireLimits), ClientError> {
        let mut client = match &self.tls {
            None => Client::connect(&self.address, Framing::Array).await?,
            Some((name, trusted)) => Client::connect_tls(&self.address, name, trusted.clone(), Framing::Array).await?,
        };
        let welcome = client.hello(program).await?;
        Ok((client, welcome.limits))
    }
}
