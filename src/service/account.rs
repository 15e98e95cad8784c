//! Registering, logging in.

use std::net::IpAddr;
use std::time::Instant;

use super::error::ServiceError;
use super::password::Verdict;
use super::{Service, tries};
use crate::domain::{Password, Secret, Token, Username};
use crate::protocol::Response;
use crate::store::{Draft, Refusal};

/// A login that may be committed: the password was right.
#[derive(Debug)]
pub(super) struct LogIn {
    pub(super) draft: Draft,
    pub(super) username: String,
    pub(super) token: Token,
}

impl LogIn {
    /// What the client is told once it is committed.
    pub(super) fn response(&self) -> Response {
        Response::LoggedIn { username: self.username.clone(), token: self.token.to_secret() }
    }
}

/// Checks the name and the password that somebody chooses, and hashes the password.
pub(super) async fn register(service: &Service, username: &str, password: &Secret) -> Result<Draft, ServiceError> {
    let username = Username::parse(username)?;
    let password = Password::choose(password, &username)?;
    // The writer decides; looking first only saves the work of hashing for a name that is taken.
    if service.store.find_credentials(&username.key()).await?.is_some() {
        return Err(Refusal::UsernameTaken.into());
    }
    let password_hash = service.passwords.hash(password).await?;
    Ok(Draft::Register { username, password_hash })
}

/// Checks a password: one comparison, whether the name is known or not.
pub(super) async fn log_in(
    service: &Service,
    address: IpAddr,
    username: &str,
    password: &Secret,
) -> Result<LogIn, ServiceError> {
    // First, for it costs nothing, and what nobody can have chosen is no guess.
    let password = Password::parse(password).map_err(|_| ServiceError::WrongPassword)?;
    // Names that nobody can have are one name: what is tried under them matters only as work for the server.
    let username_key = Username::parse(username).map_or(String::new(), |username| username.key());
    let tries_key = tries::Key { username_key, address };
    if !service.tries.take(&tries_key, Instant::now()) {
        return Err(ServiceError::TooManyTries);
    }
    let credentials = service.store.find_credentials(&tries_key.username_key).await?;
    let stored = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
    let verdict = service.passwords.verify(password, stored).await?;
    let (Some(credentials), Verdict::Right { new_hash }) = (credentials, verdict) else {
        return Err(ServiceError::WrongPassword);
    };
    service.tries.forgive(&tries_key);
    let token = Token::random();
    let draft = Draft::LogIn { user_id: credentials.user_id, token_hash: token.hash(), new_password_hash: new_hash };
    Ok(LogIn { draft, username: credentials.username, token })
}
