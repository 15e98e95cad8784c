//! Looking out for commits that stall.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::{block_in_place, spawn_blocking, yield_now};
use tokio::time::sleep;

/// A commit that is under way at two looks is stalled. They are this far apart.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks at which nothing was new, after which nobody looks until the next commit begins.
const LOOKS_AT_NOTHING: u32 = 50;

/// How long a thread is kept back at a time, should there be something left that only it can do.
const KEPT_BACK_FOR: Duration = Duration::from_secs(60);

/// The side of who commits. Dropped, nobody looks out any more.
#[derive(Debug, Default)]
pub(super) struct Commits(Arc<State>);

/// The side of who looks.
#[derive(Debug)]
pub(super) struct Lookout {
    state: Arc<State>,
    has_spare_thread: bool,
}

/// A commit that is under way, until dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<State>);

/// A commit that was under way at two looks.
#[derive(Debug)]
pub(super) struct Stalled {
    state: Arc<State>,
    turn: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Counts beginnings and ends, so it is odd while a commit is under way.
    turn: AtomicU64,
    /// Whether who looks wants to be woken by the next commit.
    is_asleep: AtomicBool,
    is_over: AtomicBool,
    /// Held while falling asleep, so that nobody is told before they sleep.
    falling_asleep: Mutex<()>,
    begun: Condvar,
}

impl Commits {
    /// Notes that a commit begins.
    pub(super) fn begin(&self) -> UnderWay {
        self.0.turn.fetch_add(1, Ordering::SeqCst);
        if self.0.is_asleep.load(Ordering::SeqCst) {
            self.0.tell();
        }
        UnderWay(Arc::clone(&self.0))
    }

    /// Who looks; by keeping a thread of the runtime back, where it has a spare one.
    pub(super) fn lookout(&self, has_spare_thread: bool) -> Lookout {
        Lookout { state: Arc::clone(&self.0), has_spare_thread }
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.tell();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.turn.fetch_add(1, Ordering::SeqCst);
    }
}

impl Stalled {
    /// Waits for the next look; whether the commit still is under way then.
    pub(super) async fn goes_on(&self) -> bool {
        sleep(LOOK_EVERY).await;
        self.state.turn() == self.turn
    }
}

impl Lookout {
    /// Waits until a commit is stalled; `None` when there will be no more.
    pub(super) async fn wait(&self) -> Option<Stalled> {
        loop {
            match self.keep_back().await {
                Seen::Stalled { turn } => return Some(Stalled { state: Arc::clone(&self.state), turn }),
                Seen::Over => return None,
                Seen::Nothing => yield_now().await,
            }
        }
    }

    /// Looks on a thread that does nothing else meanwhile.
    ///
    /// A thread of the runtime that slept by itself would be woken for every second request, which costs more than it helps. So
    /// the spare one sleeps here.
    async fn keep_back(&self) -> Seen {
        let state = Arc::clone(&self.state);
        if !self.has_spare_thread {
            return spawn_blocking(move || state.look()).await.expect("looking does not panic");
        }
        // Leaves what this thread was about to do to the others, and wakes one that sleeps: it waits for sockets now.
        block_in_place(|| ());
        drop(tokio::spawn(async {}));
        state.look()
    }
}

/// What there was to see.
#[derive(Debug)]
enum Seen {
    Stalled { turn: u64 },
    Nothing,
    Over,
}

impl State {
    fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }

    /// Blocks the thread until a commit is stalled, there will be no more, or it was kept back for long enough.
    fn look(&self) -> Seen {
        let begun = Instant::now();
        let (mut seen, mut unchanged) = (self.turn(), 0);
        while begun.elapsed() < KEPT_BACK_FOR {
            if self.is_over.load(Ordering::SeqCst) {
                return Seen::Over;
            }
            if unchanged < LOOKS_AT_NOTHING {
                thread::sleep(LOOK_EVERY);
            } else {
                self.sleep_after(seen);
            }
            let turn = self.turn();
            if turn == seen && turn % 2 == 1 {
                return Seen::Stalled { turn };
            }
            unchanged = if turn == seen { unchanged + 1 } else { 0 };
            seen = turn;
        }
        Seen::Nothing
    }

    /// Blocks the thread until a commit begins after `turn`, but not for ever.
    fn sleep_after(&self, turn: u64) {
        let is_idle = |_: &mut ()| self.turn() == turn && !self.is_over.load(Ordering::SeqCst);
        self.is_asleep.store(true, Ordering::SeqCst);
        let lock = || self.falling_asleep.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.begun.wait_timeout_while(lock(), KEPT_BACK_FOR, is_idle));
        self.is_asleep.store(false, Ordering::SeqCst);
    }

    /// Wakes who sleeps.
    fn tell(&self) {
        drop(self.falling_asleep.lock());
        self.begun.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_commit_that_goes_on_is_stalled_until_it_ends() {
        let commits = Commits::default();
        let lookout = commits.lookout(false);
        drop(commits.begin());
        let under_way = commits.begin();

        let stalled = lookout.wait().await.expect("one is stalled");

        assert!(stalled.goes_on().await);
        drop(under_way);
        let _next = commits.begin();
        assert!(!stalled.goes_on().await);
    }

    #[tokio::test]
    async fn one_commit_after_another_is_no_stall() {
        let commits = Commits::default();
        let lookout = commits.lookout(false);
        let committing = async {
            loop {
                drop(commits.begin());
                yield_now().await;
            }
        };

        let waiting = timeout(10 * LOOK_EVERY, lookout.wait());

        tokio::select! {
            () = committing => {}
            stalled = waiting => assert!(stalled.is_err()),
        }
    }

    #[tokio::test]
    async fn who_sleeps_sees_what_begins_then() {
        let commits = Commits::default();
        let lookout = commits.lookout(false);
        let begin_later = async {
            while !commits.0.is_asleep.load(Ordering::SeqCst) {
                sleep(LOOK_EVERY).await;
            }
            commits.begin()
        };

        let (stalled, _under_way) = tokio::join!(lookout.wait(), begin_later);

        assert!(stalled.is_some());
    }

    #[tokio::test]
    async fn nobody_looks_out_for_who_is_gone() {
        let commits = Commits::default();
        let lookout = commits.lookout(false);
        drop(commits);

        assert!(lookout.wait().await.is_none());
    }

    /// What a thread was about to do goes on while it is kept back, be it woken, put off or new.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_others_serve_while_a_thread_is_kept_back() {
        for _ in 0..20 {
            let commits = Commits::default();
            let (sender, mut receiver) = mpsc::channel(1);
            let busy: Vec<_> = (0..4)
                .map(|_| {
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        for turn in 0..500 {
                            yield_now().await;
                            tokio::spawn(yield_now()).await.unwrap();
                            sender.send(turn).await.unwrap();
                        }
                    })
                })
                .collect();
            let counting = tokio::spawn(async move {
                for _ in 0..4 * 500 {
                    receiver.recv().await.unwrap();
                }
            });
            let lookout = commits.lookout(true);
            let looking = tokio::spawn(async move { lookout.wait().await.is_none() });

            let done = async {
                for task in busy.into_iter().chain([counting]) {
                    task.await.unwrap();
                }
            };

            timeout(KEPT_BACK_FOR / 4, done).await.expect("the others have done it");
            drop(commits);
            assert!(looking.await.unwrap());
        }
    }
}
