//! Registering, logging in.

use super::Service;
use super::error::ServiceError;
use super::password::Verdict;
use super::session::Asker;
use crate::domain::{Network, Password, Secret, Token, Username};
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
pub(super) async fn register(
    service: &Service,
    asker: Asker,
    username: &str,
    password: &Secret,
) -> Result<Draft, ServiceError> {
    let username = Username::parse(username)?;
    let password = Password::choose(password, &username)?;
    if let Some(network) = counted(service, asker)
        && !service.registrations.take(network, asker.since)
    {
        return Err(ServiceError::TooManyRegistrations);
    }
    // The writer decides; looking first only saves the work of hashing for a name that is taken.
    if service.store.find_credentials(&username.key(), asker.since).await?.is_some() {
        return Err(Refusal::UsernameTaken.into());
    }
    let password_hash = service.passwords.hash(password, asker.since).await?;
    Ok(Draft::Register { username, password_hash })
}

/// Checks a password: one comparison, whether the name is known or not.
pub(super) async fn log_in(
    service: &Service,
    asker: Asker,
    username: &str,
    password: &Secret,
) -> Result<LogIn, ServiceError> {
    // First, for it costs nothing, and what nobody can have chosen is no guess.
    let password = Password::parse(password).map_err(|_| ServiceError::WrongPassword)?;
    // Names that nobody can have are one name: what is tried under them matters only as work for the server.
    let username_key = Username::parse(username).map_or(String::new(), |username| username.key());
    let tried = counted(service, asker).map(|network| (username_key.clone(), network));
    if let Some(tried) = &tried
        && !service.logins.take(tried.clone(), asker.since)
    {
        return Err(ServiceError::TooManyTries);
    }
    let credentials = service.store.find_credentials(&username_key, asker.since).await?;
    let stored = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
    let verdict = service.passwords.verify(password, stored, asker.since).await?;
    let (Some(credentials), Verdict::Right { new_hash }) = (credentials, verdict) else {
        return Err(ServiceError::WrongPassword);
    };
    if let Some(tried) = &tried {
        service.logins.forgive(tried);
    }
    let token = Token::random();
    let draft = Draft::LogIn { user_id: credentials.user_id, token_hash: token.hash(), new_password_hash: new_hash };
    Ok(LogIn { draft, username: credentials.username, token })
}

/// Where the asker is, if what comes from there is counted.
fn counted(service: &Service, asker: Asker) -> Option<Network> {
    let network = Network::of(asker.address);
    (!(network.is_loopback() && service.limits.exempts_loopback)).then_some(network)
}
