//! A floor: passwords that are compared with their hash by as many threads as a server has for that, which give way as much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Over;
use crate::bench::error::BenchError;
use crate::bench::load::talk::Timing;
use crate::config::PasswordCost;

const PASSWORD: &[u8] = b"a password for benchmarks";

/// Of the length that the server's have.
const SALT: &[u8] = b"sixteen bytes of";

/// Compares passwords for a time. Returns how many a second.
pub(in crate::bench) async fn run(timing: Timing) -> Result<f64, BenchError> {
    let hashing = Hashing::start()?;
    sleep(timing.warm_up).await;
    let (began, first) = (Instant::now(), hashing.compared());
    sleep(timing.measured).await;
    let (elapsed, last) = (began.elapsed(), hashing.compared());
    hashing.end().await;
    Ok((last - first) as f64 / elapsed.as_secs_f64())
}

/// Threads at work, which end with this.
struct Hashing {
    is_over: Over,
    compared: Arc<AtomicU64>,
    /// Says nothing, and is closed when all threads have ended.
    at_work: mpsc::Receiver<()>,
}

impl Hashing {
    /// As many threads as there are cores, at the cost at which a server hashes: no flag leads to another one.
    fn start() -> Result<Self, BenchError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let argon2 = argon2_of(PasswordCost::default())?;
        let (is_over, compared, (working, at_work)) = (Over::default(), Arc::default(), mpsc::channel(1));
        for _ in 0..threads {
            let (argon2, working) = (argon2.clone(), working.clone());
            let (is_over, compared) = (Arc::clone(&is_over.0), Arc::clone(&compared));
            std::thread::Builder::new().name("hashing".to_owned()).spawn(move || {
                give_way();
                compare_until(&argon2, &compared, || is_over.load(Ordering::Relaxed));
                drop(working);
            })?;
        }
        Ok(Self { is_over, compared, at_work })
    }

    fn compared(&self) -> u64 {
        self.compared.load(Ordering::Relaxed)
    }

    /// Waits until the last thread has ended, so that none is at work beside what is measured next.
    async fn end(mut self) {
        self.is_over.0.store(true, Ordering::Relaxed);
        self.at_work.recv().await;
    }
}

fn argon2_of(PasswordCost { memory_kib, iterations }: PasswordCost) -> Result<Argon2<'static>, BenchError> {
    let params = Params::new(memory_kib, iterations, 1, None);
    let params = params.map_err(|_| BenchError::Impossible("Argon2 does not take what a hash costs by default"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Counts how often the password was right. The memory is used again, as the server's is.
fn compare_until(argon2: &Argon2<'_>, compared: &AtomicU64, is_over: impl Fn() -> bool) {
    let mut memory = vec![Block::default(); argon2.params().block_count()];
    let mut hash = || {
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        let hashed = argon2.hash_password_into_with_memory(PASSWORD, SALT, &mut output, &mut memory);
        hashed.map(|()| output)
    };
    let stored = hash();
    while !is_over() && stored.is_ok() && hash() == stored {
        compared.fetch_add(1, Ordering::Relaxed);
    }
}

/// Has this thread give way as those of the server do that hash: see `service/password.rs`.
#[cfg(target_os = "linux")]
fn give_way() {
    use rustix::process::{getpriority_process, setpriority_process};
    /// As much as there.
    const NICER: i32 = 10;
    getpriority_process(None).and_then(|nice| setpriority_process(None, nice + NICER)).ok();
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn passwords_are_compared_until_it_is_over() {
        let mut hashing = Hashing::start().unwrap();
        while hashing.compared() == 0 {
            sleep(Duration::from_millis(1)).await;
        }

        hashing.is_over.0.store(true, Ordering::Relaxed);
        hashing.at_work.recv().await;
        let compared = hashing.compared();
        sleep(Duration::from_millis(50)).await;

        assert_eq!(hashing.compared(), compared);
    }

    #[test]
    fn a_hash_costs_what_the_servers_costs() {
        let argon2 = argon2_of(PasswordCost::default()).unwrap();

        assert_eq!((argon2.params().m_cost(), argon2.params().t_cost(), argon2.params().p_cost()), (19_456, 2, 1));
    }
}
