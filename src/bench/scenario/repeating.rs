//! What scenarios have in common in which some do the same again and again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::bench::error::BenchError;
use crate::bench::load::clock::{thread_cpu_ns, whole_ns};
use crate::bench::load::stage::{Account, histogram};
use crate::bench::load::talk::Timing;

/// What came of a round.
#[derive(Debug)]
pub(super) struct Repeated<R> {
    pub(super) elapsed: Duration,
    /// How often it was done in the measured time.
    pub(super) done: u64,
    /// How long it took each time. Units: nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// CPU time of the load itself. Units: nanoseconds.
    pub(super) load_cpu_ns: u64,
    /// Of the measured time.
    pub(super) measured: Account,
    /// Of the whole round.
    pub(super) account: Account,
    /// What was read at the beginning and at the end of the measured time.
    pub(super) readings: (R, R),
}

/// What is counted while it goes on.
#[derive(Debug)]
struct Counter {
    is_over: Cell<bool>,
    done: Cell<u64>,
    account: Cell<Account>,
    latencies: RefCell<Histogram<u64>>,
}

/// Where the measured part of a round begins or ends.
struct Moment<R> {
    reading: R,
    at: Instant,
    load_cpu_ns: u64,
    done: u64,
    account: Account,
}

/// Has each of `workers` work again and again for a time; `read` is called where the measured part begins and where it ends.
pub(super) async fn repeat<R, W>(
    timing: Timing,
    workers: Vec<W>,
    read: impl Fn() -> R,
) -> Result<Repeated<R>, BenchError>
where
    W: AsyncFnMut() -> Result<Account, BenchError> + 'static,
{
    let counter = Rc::new(Counter {
        is_over: Cell::new(false),
        done: Cell::new(0),
        account: Cell::default(),
        latencies: RefCell::new(histogram()),
    });
    let mut working = JoinSet::new();
    for worker in workers {
        working.spawn_local(Rc::clone(&counter).work(worker));
    }
    pass(&mut working, timing.warm_up).await?;
    counter.latencies.borrow_mut().reset();
    let first = counter.moment(&read);
    pass(&mut working, timing.measured).await?;
    while counter.done.get() == first.done {
        // What takes longer than a round is measured once.
        pass(&mut working, Duration::from_millis(1)).await?;
    }
    let last = counter.moment(&read);
    let latencies = counter.latencies.borrow().clone();
    counter.is_over.set(true);
    while let Some(ended) = working.join_next().await {
        ended.expect("nobody aborts a worker, and a panic is passed on")?;
    }
    Ok(Repeated {
        elapsed: last.at - first.at,
        done: last.done - first.done,
        latencies,
        load_cpu_ns: last.load_cpu_ns - first.load_cpu_ns,
        measured: last.account.since(&first.account),
        account: counter.account.get(),
        readings: (first.reading, last.reading),
    })
}

/// Lets them work for so long; where one of them fails, that is the end.
async fn pass(working: &mut JoinSet<Result<(), BenchError>>, time: Duration) -> Result<(), BenchError> {
    tokio::select! {
        biased;
        () = sleep(time) => Ok(()),
        Some(ended) = working.join_next() => {
            ended.expect("nobody aborts a worker, and a panic is passed on")?;
            Err(BenchError::Closed)
        }
    }
}

impl Counter {
    fn moment<R>(&self, read: impl Fn() -> R) -> Moment<R> {
        let (done, account) = (self.done.get(), self.account.get());
        Moment { reading: read(), at: Instant::now(), load_cpu_ns: thread_cpu_ns(), done, account }
    }

    async fn work(
        self: Rc<Self>,
        mut worker: impl AsyncFnMut() -> Result<Account, BenchError>,
    ) -> Result<(), BenchError> {
        while !self.is_over.get() {
            let began = Instant::now();
            let account = worker().await?;
            self.latencies.borrow_mut().saturating_record(whole_ns(began.elapsed()));
            self.done.set(self.done.get() + 1);
            self.account.set(self.account.get().plus(&account));
        }
        Ok(())
    }
}
