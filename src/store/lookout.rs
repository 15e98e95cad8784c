//! Looking out for commits that stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{block_in_place, yield_now};
use tokio::time::sleep;

/// A commit that is under way at two looks is stalled. They are this far apart.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks at which nothing was new, after which nobody looks until the next commit begins.
const LOOKS_AT_NOTHING: u32 = 50;

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
    /// Whether who looks wants to be told of the next commit.
    is_asleep: AtomicBool,
    is_over: AtomicBool,
    begun: Notify,
}

impl Commits {
    /// Notes that a commit begins.
    pub(super) fn begin(&self) -> UnderWay {
        self.0.turn.fetch_add(1, Ordering::SeqCst);
        if self.0.is_asleep.load(Ordering::SeqCst) {
            self.0.begun.notify_one();
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
        self.0.begun.notify_one();
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
        let (mut seen, mut unchanged) = (self.state.turn(), 0);
        while !self.state.is_over.load(Ordering::SeqCst) {
            if unchanged == LOOKS_AT_NOTHING {
                self.state.sleep_after(seen).await;
            }
            self.pause().await;
            let turn = self.state.turn();
            if turn == seen && turn % 2 == 1 {
                return Some(Stalled { state: Arc::clone(&self.state), turn });
            }
            unchanged = if turn == seen { unchanged + 1 } else { 0 };
            seen = turn;
        }
        None
    }

    /// Passes the time until the next look.
    ///
    /// A thread of the runtime that slept by itself would be woken for every second request, which costs more than it helps.
    /// A short sleep at a time does no harm, should there be something left that only this thread can do.
    async fn pause(&self) {
        if !self.has_spare_thread {
            return sleep(LOOK_EVERY).await;
        }
        // Leaves what this thread was about to do to the others, and wakes one that sleeps: they wait for sockets now.
        block_in_place(|| ());
        drop(tokio::spawn(async {}));
        thread::sleep(LOOK_EVERY);
        yield_now().await;
    }
}

impl State {
    fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }

    /// Waits until a commit begins after `turn`.
    async fn sleep_after(&self, turn: u64) {
        self.is_asleep.store(true, Ordering::SeqCst);
        while self.turn() == turn && !self.is_over.load(Ordering::SeqCst) {
            self.begun.notified().await;
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
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

    /// What the thread was about to do goes on while it is kept back.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_others_serve_while_a_thread_is_kept_back() {
        let commits = Commits::default();
        tokio::spawn({
            let lookout = commits.lookout(true);
            async move { lookout.wait().await.is_none() }
        });
        let busy = async {
            for _ in 0..20_000 {
                drop(commits.begin());
                yield_now().await;
            }
        };

        timeout(Duration::from_secs(60), busy).await.expect("as fast as without");
    }
}
