//! Random schedules against a plain model: what every connection receives is what its user is owed, in the order of the log.
//!
//! A schedule is plain data, so a failing one shrinks. It is played by one task, one step after the other, and whatever the
//! network leaves open (how much of what was owed had reached a connection when it ended) is looked up, not assumed.
//! `PROPTEST_CASES` sets how many schedules are played; a failure says which `PROPTEST_RNG_SEED` repeats it.

mod book;
mod player;
mod schedule;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::Duration;

use chinwag::config::Config;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config as RunnerConfig, RngSeed, TestCaseError, TestError, TestRunner};
use tokio::runtime::{Builder, Runtime};

use crate::helpers::TestServer;
use player::Player;
use schedule::{Op, Said, To, with_restarts, without_restarts};

/// Schedules on one server, and schedules that restart a server of their own, which cost far more.
const SCHEDULES: u32 = 1000;
const RESTARTING_SCHEDULES: u32 = 64;

/// Schedules that are under way at once: waiting for the disk is most of what they do.
const PLAYERS: u32 = 8;

/// A shrunk schedule is a convenience, so it may not take longer than this. Units: milliseconds.
const SHRINK_FOR_MS: u32 = 60_000;

/// Small, so that a few messages make a reader lag.
fn small_outboxes(config: &mut Config) {
    config.limits.outbox_bytes = 16 * 1024;
    config.limits.content_bytes = 4 * 1024;
    config.limits.stranger_deadline = Duration::from_secs(600);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn every_connection_receives_what_the_model_says() {
    let runtime = runtime();
    let mut server = Some(runtime.block_on(TestServer::start_with(small_outboxes)));
    let shared = server.as_ref().unwrap();
    let (address, database) = (shared.address, shared.database());
    try_schedules(SCHEDULES, &without_restarts(), |ops| {
        let player = Player::new(address, database.clone());
        runtime.block_on(player.play(ops)).map(|_| ())
    });
    runtime.block_on(server.take().unwrap().stop());
}

#[test]
fn every_connection_receives_what_the_model_says_across_restarts() {
    let runtime = runtime();
    try_schedules(RESTARTING_SCHEDULES, &with_restarts(), |ops| {
        runtime.block_on(async {
            let server = TestServer::start_with(small_outboxes).await;
            let server = Player::on(server).play(ops).await?;
            server.expect("a player keeps its own server").stop().await;
            Ok(())
        })
    });
}

#[tokio::test]
async fn what_came_before_a_logout_is_not_delivered_again_to_another_device() {
    let flood = Said { device: 2, to: To::User(0), count: 30, size_bytes: 3000 };
    let ops = vec![
        Op::Register { device: 0, user: 0 },
        Op::LogIn { device: 0, user: 0 },
        Op::Register { device: 2, user: 1 },
        Op::LogIn { device: 2, user: 1 },
        Op::Say(vec![flood]),
        Op::LogOut { device: 0 },
        // Whatever is asked here carries the acknowledgement of what was received.
        Op::Register { device: 0, user: 0 },
        Op::LogIn { device: 3, user: 0 },
        Op::CatchUp { device: 3 },
    ];
    try_often(&ops).await;
}

#[tokio::test]
async fn what_a_stalled_connection_received_before_is_not_delivered_again_to_another() {
    let (note, flood) = (
        Said { device: 0, to: To::User(0), count: 1, size_bytes: 1 },
        Said { device: 2, to: To::User(0), count: 30, size_bytes: 3000 },
    );
    let ops = vec![
        Op::Register { device: 0, user: 0 },
        Op::LogIn { device: 0, user: 0 },
        Op::Register { device: 2, user: 1 },
        Op::LogIn { device: 2, user: 1 },
        Op::Say(vec![note]),
        Op::CatchUp { device: 0 },
        // Whatever is asked here carries the acknowledgement of what was received.
        Op::Register { device: 0, user: 0 },
        Op::Say(vec![flood]),
        Op::LogIn { device: 3, user: 0 },
        Op::CatchUp { device: 3 },
    ];
    try_often(&ops).await;
}

async fn try_often(ops: &[Op]) {
    let server = TestServer::start_with(small_outboxes).await;
    for _ in 0..20 {
        Player::new(server.address, server.database()).play(ops.to_vec()).await.unwrap();
    }
}

/// Tries `schedules` of a strategy, some at once, each thread with a seed of its own.
fn try_schedules(
    schedules: u32,
    strategy: &(impl Strategy<Value = Vec<Op>> + Sync),
    play: impl Fn(Vec<Op>) -> Result<(), TestCaseError> + Sync,
) {
    let schedules = std::env::var("PROPTEST_CASES").ok().map_or(schedules, |cases| cases.parse().unwrap());
    let seed = match RunnerConfig::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().build_hasher().finish(),
    };
    let config = RunnerConfig {
        cases: schedules.div_ceil(PLAYERS),
        failure_persistence: None,
        max_shrink_iters: u32::MAX,
        max_shrink_time: SHRINK_FOR_MS,
        ..RunnerConfig::default()
    };
    let failures: Vec<TestError<Vec<Op>>> = thread::scope(|scope| {
        let players: Vec<_> = (0..PLAYERS)
            .map(|player| {
                let rng_seed = RngSeed::Fixed(seed.wrapping_add(u64::from(player)));
                let mut runner = TestRunner::new(RunnerConfig { rng_seed, ..config.clone() });
                let play = &play;
                scope.spawn(move || runner.run(strategy, play))
            })
            .collect();
        players.into_iter().filter_map(|player| player.join().unwrap().err()).collect()
    });
    if let Some(failure) = failures.first() {
        panic!("{failure}\n{} of {PLAYERS} players failed; PROPTEST_RNG_SEED={seed} repeats this", failures.len());
    }
}
