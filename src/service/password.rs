//! Hashing passwords: never on the runtime's threads, never more at once than there are cores.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::error::{HashingError, ServiceError, StartError};
use crate::config::PasswordCost;
use crate::domain::Password;
use crate::store::Refusal;

/// Hashes and compares passwords with Argon2id. Memory: one hash's worth for each core.
#[derive(Debug)]
pub(super) struct PasswordHasher {
    argon2: Argon2<'static>,
    /// The hash of a password that nobody has, compared with where there is no user: it takes as long as a real one.
    nobodys: Arc<str>,
    cores: Arc<Semaphore>,
    busy_after: Duration,
}

/// Whether a password was right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wrong,
    Right {
        /// Made anew, where the stored one was made at another cost.
        new_hash: Option<String>,
    },
}

impl PasswordHasher {
    pub(super) fn new(cost: PasswordCost, busy_after: Duration) -> Result<Self, StartError> {
        let impossible = |err| StartError::PasswordCost(HashingError::Hash(err));
        let params =
            Params::new(cost.memory_kib, cost.iterations, 1, None).map_err(HashError::from).map_err(impossible)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobodys = hash(&argon2, uuid::Uuid::new_v4().as_bytes()).map_err(impossible)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { argon2, nobodys: nobodys.into(), cores: Arc::new(Semaphore::new(cores)), busy_after })
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// Busy when no core was free in time.
    pub(super) async fn hash(&self, password: Password) -> Result<String, ServiceError> {
        self.run(move |argon2, _| hash(argon2, password.as_bytes())).await
    }

    /// Compares a password with the PHC string of a user, or of nobody: one comparison at the current cost either way.
    ///
    /// # Errors
    /// Busy when no core was free in time; internal when what is stored is no PHC string.
    pub(super) async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verdict, ServiceError> {
        self.run(move |argon2, nobodys| match stored {
            Some(stored) => verify(argon2, password.as_bytes(), &stored, nobodys),
            None => compare(argon2, password.as_bytes(), nobodys).map(|_| Verdict::Wrong),
        })
        .await
    }

    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>, &str) -> Result<R, HashError> + Send + 'static,
    ) -> Result<R, ServiceError> {
        let acquiring = Arc::clone(&self.cores).acquire_owned();
        let Ok(core) = tokio::time::timeout(self.busy_after, acquiring).await else {
            return Err(Refusal::Busy.into());
        };
        let core = core.expect("nobody closes this semaphore");
        let (argon2, nobodys) = (self.argon2.clone(), Arc::clone(&self.nobodys));
        let worked = tokio::task::spawn_blocking(move || {
            let result = work(&argon2, &nobodys);
            // Only now, for a client that goes away must not free a core that is still at work.
            drop(core);
            result
        });
        worked
            .await
            .map_err(|err| ServiceError::Hashing(err.into()))?
            .map_err(|err| ServiceError::Hashing(HashingError::Hash(err)))
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, HashError> {
    Ok(argon2.hash_password(password)?.to_string())
}

fn compare(argon2: &Argon2<'_>, password: &[u8], stored: &str) -> Result<bool, HashError> {
    match argon2.verify_password(password, &PasswordHash::new(stored)?) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(err) => Err(err),
    }
}

fn verify(argon2: &Argon2<'_>, password: &[u8], stored: &str, nobodys: &str) -> Result<Verdict, HashError> {
    let is_right = compare(argon2, password, stored)?;
    let is_current = is_at_cost(argon2.params(), stored)?;
    if !is_right {
        if !is_current {
            // So that a wrong password never takes less than an unknown name. Until this user's next login it takes more, by
            // the old cost; only waiting for both everywhere would hide that.
            compare(argon2, password, nobodys)?;
        }
        return Ok(Verdict::Wrong);
    }
    let new_hash = if is_current { None } else { Some(hash(argon2, password)?) };
    Ok(Verdict::Right { new_hash })
}

fn is_at_cost(current: &Params, stored: &str) -> Result<bool, HashError> {
    let stored = PasswordHash::new(stored)?;
    let params = Params::try_from(&stored)?;
    let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    Ok(stored.algorithm == Algorithm::Argon2id.ident() && cost(&params) == cost(current))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    const STRONGER: PasswordCost = PasswordCost { memory_kib: 16, iterations: 2 };

    fn hasher(cost: PasswordCost) -> PasswordHasher {
        PasswordHasher::new(cost, Duration::from_secs(60)).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::parse(&Secret::new(text)).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let hasher = hasher(PasswordCost::FOR_TESTS);
        let stored = hasher.hash(password("correct horse")).await.unwrap();

        assert_eq!(
            hasher.verify(password("correct horse"), Some(stored.clone())).await.unwrap(),
            Verdict::Right { new_hash: None }
        );
        assert_eq!(hasher.verify(password("incorrect horse"), Some(stored)).await.unwrap(), Verdict::Wrong);
        assert_eq!(hasher.verify(password("correct horse"), None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_made_anew_when_the_password_is_right() {
        let stored = hasher(PasswordCost::FOR_TESTS).hash(password("correct horse")).await.unwrap();
        let hasher = hasher(STRONGER);

        let Verdict::Right { new_hash: Some(new_hash) } =
            hasher.verify(password("correct horse"), Some(stored.clone())).await.unwrap()
        else {
            panic!("the cost has changed")
        };
        assert!(new_hash.starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{new_hash}");
        assert_eq!(
            hasher.verify(password("correct horse"), Some(new_hash)).await.unwrap(),
            Verdict::Right { new_hash: None }
        );
        assert_eq!(hasher.verify(password("incorrect horse"), Some(stored)).await.unwrap(), Verdict::Wrong);
    }

    #[test]
    fn the_default_cost_is_the_one_owasp_asks_for() {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).unwrap());
        let stored = hash(&argon2, b"correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let PasswordCost { memory_kib, iterations } = PasswordCost::default();
        assert_eq!((memory_kib, iterations), (19_456, 2));
    }
}
