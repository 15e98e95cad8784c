//! Hashing passwords: on threads of their own, as many as there are cores, so that chat never waits for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use super::argon2id::{Argon2id, HashError, Memory};
use super::error::{HashingError, ServiceError, StartError};
use crate::config::PasswordCost;
use crate::domain::Password;
use crate::store::Refusal;

/// Hashes and compares passwords. Memory: one hash's worth for each core, kept, for asking the system for it anew costs a
/// third of a hash.
#[derive(Debug)]
pub(super) struct PasswordHasher {
    argon2id: Argon2id,
    /// The hash of a password that nobody has, compared with where there is no user: it takes as long as a real one.
    nobodys: Arc<str>,
    /// Threads that are free.
    free: Arc<Semaphore>,
    work: SyncSender<Work>,
    busy_after: Duration,
}

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

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
        let argon2id = Argon2id::new(cost).map_err(impossible)?;
        let nobodys = argon2id.hash(&mut Memory::default(), uuid::Uuid::new_v4().as_bytes()).map_err(impossible)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let work = start_threads(threads)?;
        Ok(Self { argon2id, nobodys: nobodys.into(), free: Arc::new(Semaphore::new(threads)), work, busy_after })
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// Busy when no thread was free in time, counted from `since`.
    pub(super) async fn hash(&self, password: Password, since: Instant) -> Result<String, ServiceError> {
        let argon2id = self.argon2id;
        self.run(since, move |memory| argon2id.hash(memory, password.as_bytes())).await
    }

    /// Compares a password with the PHC string of a user, or of nobody: one comparison at the current cost either way.
    ///
    /// # Errors
    /// Busy when no thread was free in time, counted from `since`; internal when what is stored is no PHC string.
    pub(super) async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
        since: Instant,
    ) -> Result<Verdict, ServiceError> {
        let (argon2id, nobodys) = (self.argon2id, Arc::clone(&self.nobodys));
        self.run(since, move |memory| match stored {
            Some(stored) => verify(argon2id, memory, password.as_bytes(), &stored, &nobodys),
            None => argon2id.matches(memory, password.as_bytes(), &nobodys).map(|_| Verdict::Wrong),
        })
        .await
    }

    async fn run<R: Send + 'static>(
        &self,
        since: Instant,
        work: impl FnOnce(&mut Memory) -> Result<R, HashError> + Send + 'static,
    ) -> Result<R, ServiceError> {
        let acquiring = Arc::clone(&self.free).acquire_owned();
        let Ok(thread) = tokio::time::timeout_at((since + self.busy_after).into(), acquiring).await else {
            return Err(Refusal::Busy.into());
        };
        let thread = thread.expect("nobody closes this semaphore");
        let (worked, is_worked) = oneshot::channel();
        let work = Box::new(move |memory: &mut Memory| {
            let result = work(memory);
            // Only now, for a client that goes away must not free a thread that is still at work.
            drop(thread);
            // The client may have gone away.
            drop(worked.send(result));
        });
        self.work.try_send(work).map_err(|_| ServiceError::Hashing(HashingError::Panicked))?;
        let result = is_worked.await.map_err(|_| ServiceError::Hashing(HashingError::Panicked))?;
        result.map_err(|err| ServiceError::Hashing(HashingError::Hash(err)))
    }
}

fn verify(
    argon2id: Argon2id,
    memory: &mut Memory,
    password: &[u8],
    stored: &str,
    nobodys: &str,
) -> Result<Verdict, HashError> {
    let is_right = argon2id.matches(memory, password, stored)?;
    let is_current = argon2id.made(stored)?;
    if !is_right {
        if !is_current {
            // So that a wrong password never takes less than an unknown name. Until this user's next login it takes more, by
            // the old cost; only waiting for both everywhere would hide that.
            argon2id.matches(memory, password, nobodys)?;
        }
        return Ok(Verdict::Wrong);
    }
    let new_hash = if is_current { None } else { Some(argon2id.hash(memory, password)?) };
    Ok(Verdict::Right { new_hash })
}

/// Starts the threads, which end when the sender is dropped. The channel has a place for each, so sending never waits.
fn start_threads(threads: usize) -> Result<SyncSender<Work>, StartError> {
    let (sender, receiver) = sync_channel(threads);
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..threads {
        let receiver = Arc::clone(&receiver);
        let thread = std::thread::Builder::new().name("password".to_owned());
        let work = move || {
            give_way();
            work_on(&receiver);
        };
        thread.spawn(work).map_err(StartError::Thread)?;
    }
    Ok(sender)
}

/// Has this thread give way to those that serve: in a storm of logins it would take turns with them, for milliseconds each.
///
/// Source: setpriority(2), "C library/kernel differences": Linux has a nice value for each thread.
#[cfg(target_os = "linux")]
fn give_way() {
    use rustix::process::{getpriority_process, setpriority_process};
    /// By so much nicer, it gets a tenth of a processor that another wants too.
    const NICER: i32 = 10;
    // Should that be forbidden, logins are no slower.
    getpriority_process(None).and_then(|nice| setpriority_process(None, nice + NICER)).ok();
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

fn work_on(receiver: &Mutex<Receiver<Work>>) {
    let mut memory = Memory::default();
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // One request's panic must not cost the others a thread; its client learns of it by the dropped answer.
        drop(catch_unwind(AssertUnwindSafe(|| work(&mut memory))));
    }
}

#[cfg(test)]
impl PasswordHasher {
    /// What each hash has cost that was computed since this was last asked. To be asked while no thread is at work: it takes
    /// them all at once, for each to tell what it has done.
    pub(super) fn take_computed(&self) -> Vec<PasswordCost> {
        let threads = self.free.available_permits();
        let all_there = Arc::new(std::sync::Barrier::new(threads));
        let (sender, receiver) = sync_channel(threads);
        for _ in 0..threads {
            let (all_there, sender) = (Arc::clone(&all_there), sender.clone());
            let work = Box::new(move |memory: &mut Memory| {
                all_there.wait();
                sender.send(std::mem::take(&mut memory.computed)).unwrap();
            });
            self.work.try_send(work).unwrap();
        }
        drop(sender);
        receiver.iter().flatten().collect()
    }
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_gives_way_does_so_alone() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let giving_way = std::thread::spawn(move || {
            give_way();
            nice()
        });

        assert_eq!(giving_way.join().unwrap(), 19.min(before + 10));
        assert_eq!(nice(), before);
    }

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let hasher = hasher(PasswordCost::FOR_TESTS);
        let stored = hasher.hash(password("correct horse"), Instant::now()).await.unwrap();

        assert_eq!(
            hasher.verify(password("correct horse"), Some(stored.clone()), Instant::now()).await.unwrap(),
            Verdict::Right { new_hash: None }
        );
        assert_eq!(
            hasher.verify(password("incorrect horse"), Some(stored), Instant::now()).await.unwrap(),
            Verdict::Wrong
        );
        assert_eq!(hasher.verify(password("correct horse"), None, Instant::now()).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_made_anew_when_the_password_is_right() {
        let stored = hasher(PasswordCost::FOR_TESTS).hash(password("correct horse"), Instant::now()).await.unwrap();
        let hasher = hasher(STRONGER);

        let Verdict::Right { new_hash: Some(new_hash) } =
            hasher.verify(password("correct horse"), Some(stored.clone()), Instant::now()).await.unwrap()
        else {
            panic!("the cost has changed")
        };
        assert!(new_hash.starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{new_hash}");
        assert_eq!(
            hasher.verify(password("correct horse"), Some(new_hash), Instant::now()).await.unwrap(),
            Verdict::Right { new_hash: None }
        );
        assert_eq!(
            hasher.verify(password("incorrect horse"), Some(stored), Instant::now()).await.unwrap(),
            Verdict::Wrong
        );
    }
}
