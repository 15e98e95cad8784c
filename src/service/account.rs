//! Registering, logging in.

use std::time::Duration;

use super::Service;
use super::error::ServiceError;
use super::password::Verdict;
use super::rates::Denied;
use super::session::Asker;
use crate::domain::{Network, Overdrawn, Password, Secret, Token, UserId, Username};
use crate::store::{Author, Draft, Origin, Refusal};

/// A login that may be committed: the password was right.
#[derive(Debug)]
pub(super) struct LogIn {
    pub(super) draft: Draft,
    pub(super) token: Token,
}

/// Checks the name and the password that somebody chooses, and hashes the password.
pub(super) async fn register(
    service: &Service,
    asker: Asker,
    username: &str,
    password: &Secret<'_>,
) -> Result<Draft, ServiceError> {
    let username = Username::parse(username)?;
    let password = Password::choose(password, &username)?;
    let attempt = service.registrations.begin(counted(service, asker), asker.since);
    let attempt = attempt.map_err(|denied| denial(denied, |wait| ServiceError::TooManyRegistrations { wait }))?;
    // The writer decides; looking first only saves the work of hashing for a name that is taken.
    let is_taken = service.store.find_credentials(username.key().as_str(), asker.since).await?.is_some();
    if is_taken {
        attempt.counts();
        return Err(Refusal::UsernameTaken.into());
    }
    let password_hash = service.passwords.hash(password, asker.since).await?;
    attempt.counts();
    Ok(Draft::Register { username, password_hash })
}

/// Checks a password, and makes the draft of a login.
pub(super) async fn log_in(
    service: &Service,
    asker: Asker,
    origin: Origin,
    username: &str,
    password: &Secret<'_>,
) -> Result<LogIn, ServiceError> {
    let username = Username::parse(username).ok();
    let (user_id, new_password_hash) = verify(service, asker, username, password).await?;
    let token = Token::random();
    let draft = Draft::LogIn { user_id, token_hash: token.hash(), new_password_hash, origin };
    Ok(LogIn { draft, token })
}

/// Checks the old password, and hashes the new one.
pub(super) async fn change_password(
    service: &Service,
    asker: Asker,
    author: Author,
    password: &Secret<'_>,
    new_password: &Secret<'_>,
) -> Result<Draft, ServiceError> {
    let username = author.username.ok_or(Refusal::NotAuthenticated)?;
    let new_password = Password::choose(new_password, &username)?;
    let (user_id, _) = verify(service, asker, Some(username), password).await?;
    let password_hash = service.passwords.hash(new_password, asker.since).await?;
    Ok(Draft::ChangePassword { author, user_id, password_hash })
}

/// Checks the password of somebody who wants to be gone.
pub(super) async fn delete(
    service: &Service,
    asker: Asker,
    author: Author,
    password: &Secret<'_>,
) -> Result<Draft, ServiceError> {
    let (user_id, _) = verify(service, asker, author.username, password).await?;
    Ok(Draft::DeleteAccount { author, user_id })
}

/// Checks a password: one comparison, whether the name is known or not. Whose it is, and its hash anew, where the stored one was
/// made at another cost.
async fn verify(
    service: &Service,
    asker: Asker,
    username: Option<Username>,
    password: &Secret<'_>,
) -> Result<(UserId, Option<String>), ServiceError> {
    // First, for it costs nothing, and what nobody can have chosen is no guess.
    let password = Password::parse(password).map_err(|_| ServiceError::WrongPassword)?;
    // Names that nobody can have are one name: what is tried under them matters only as work for the server.
    let username_key = username.map_or(String::new(), |username| username.key().as_str().to_owned());
    let tried = counted(service, asker).map(|network| (username_key.clone(), network));
    let attempt = service.logins.begin(tried, asker.since);
    let attempt = attempt.map_err(|denied| denial(denied, |wait| ServiceError::TooManyTries { wait }))?;
    let credentials = service.store.find_credentials(&username_key, asker.since).await?;
    let stored = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
    let verdict = service.passwords.verify(password, stored, asker.since).await?;
    let (Some(credentials), Verdict::Right { new_hash }) = (credentials, verdict) else {
        attempt.counts();
        return Err(ServiceError::WrongPassword);
    };
    attempt.forgives();
    Ok((credentials.user_id, new_hash))
}

/// What somebody is told whose attempt may not begin.
fn denial(denied: Denied, overdrawn: impl FnOnce(Duration) -> ServiceError) -> ServiceError {
    match denied {
        Denied::Overdrawn(Overdrawn { wait }) => overdrawn(wait),
        Denied::UnderWay => Refusal::Busy.into(),
    }
}

/// Where the asker is, if what comes from there is counted.
fn counted(service: &Service, asker: Asker) -> Option<Network> {
    let network = Network::of(asker.address);
    (!(network.is_loopback() && service.limits.exempts_loopback)).then_some(network)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::Instant;

    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::*;
    use crate::config::{Config, Limits, PasswordCost};
    use crate::service::Started;
    use crate::service::argon2id::{Argon2id, Memory};
    use crate::service::ticket::Ticket;
    use crate::shutdown::{self, Trigger};

    const CURRENT: PasswordCost = PasswordCost::FOR_TESTS;
    const OLD: PasswordCost = PasswordCost { memory_kib: 16, iterations: 2 };
    const RIGHT: &str = "correct horse";
    const WRONG: &str = "incorrect horse";

    /// Three kinds of names: somebody's, nobody's, and such as nobody can have.
    const NAMES: [&str; 5] = ["ada", "bob", "two words", "", "раураl"];

    /// A service that knows Ada and Olga, whose password was hashed at the old cost.
    struct TestService {
        service: Arc<Service>,
        _directory: TempDir,
        _saving: Trigger,
    }

    impl TestService {
        async fn start(tries_per_second: f64) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let database_url = format!("sqlite://{}", directory.path().join("test.db").display());
            let mut config = Config { database_url, password_cost: CURRENT, ..Config::default() };
            config.limits.login_rate = Some(Limits::login_rate(tries_per_second));
            config.limits.exempts_loopback = false;
            let (saving, saving_ends) = shutdown::channel();
            let Started { service, writer, .. } = Service::start(&config, saving_ends).await.unwrap();
            writer.start().unwrap();
            for (name, cost) in [("ada", CURRENT), ("olga", OLD)] {
                let password_hash =
                    Argon2id::new(cost).unwrap().hash(&mut Memory::default(), RIGHT.as_bytes()).unwrap();
                let draft = Draft::Register { username: Username::parse(name).unwrap(), password_hash };
                let (saved, is_saved) = oneshot::channel();
                service.store.submit(draft, Ticket::Save(saved), Instant::now()).await.unwrap();
                is_saved.await.unwrap();
            }
            Self { service, _directory: directory, _saving: saving }
        }

        /// How a login ends, and what each hash has cost that was computed for it.
        async fn log_in(&self, name: &str, password: &str) -> (Result<LogIn, ServiceError>, Vec<PasswordCost>) {
            let asker = Asker { address: Ipv4Addr::LOCALHOST.into(), since: Instant::now() };
            let origin = Origin { address: String::new(), client: None };
            let result = log_in(&self.service, asker, origin, name, &Secret::new(password)).await;
            (result, self.service.passwords.take_computed())
        }
    }

    #[tokio::test]
    async fn a_wrong_password_costs_one_hash_whatever_the_name() {
        let service = TestService::start(1.0).await;

        let (right, computed) = service.log_in("ada", RIGHT).await;
        assert!(right.is_ok(), "{right:?}");
        assert_eq!(computed, [CURRENT]);

        for name in NAMES {
            let (wrong, computed) = service.log_in(name, WRONG).await;
            assert!(matches!(wrong, Err(ServiceError::WrongPassword)), "{name:?}: {wrong:?}");
            assert_eq!(computed, [CURRENT], "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_password_that_nobody_can_have_costs_no_hash_and_no_try_whatever_the_name() {
        let service = TestService::start(0.001).await;

        for name in NAMES {
            for password in ["", "new\nline", &"x".repeat(1025)] {
                let (refused, computed) = service.log_in(name, password).await;
                assert!(matches!(refused, Err(ServiceError::WrongPassword)), "{name:?} {password:?}: {refused:?}");
                assert_eq!(computed, [], "{name:?} {password:?}");
            }
        }
    }

    #[tokio::test]
    async fn who_has_tried_too_often_costs_no_hash_whatever_the_name() {
        for name in NAMES {
            let service = TestService::start(0.001).await;
            service.log_in(name, WRONG).await.0.unwrap_err();

            let (refused, computed) = service.log_in(name, RIGHT).await;

            assert!(matches!(refused, Err(ServiceError::TooManyTries { .. })), "{name:?}: {refused:?}");
            assert_eq!(computed, [], "{name:?}");
        }
    }

    #[tokio::test]
    async fn where_the_stored_hash_has_an_old_cost_a_wrong_password_costs_that_and_the_current_one() {
        let service = TestService::start(1.0).await;

        let (wrong, for_wrong) = service.log_in("olga", WRONG).await;
        let (right, for_right) = service.log_in("olga", RIGHT).await;

        assert!(matches!(wrong, Err(ServiceError::WrongPassword)), "{wrong:?}");
        assert_eq!(for_wrong, [OLD, CURRENT]);
        // The second makes the hash that is stored from now on.
        let renews = matches!(right, Ok(LogIn { draft: Draft::LogIn { new_password_hash: Some(_), .. }, .. }));
        assert!(renews, "{right:?}");
        assert_eq!(for_right, [OLD, CURRENT]);
    }
}
