//! People who talk for a time, and what was measured of it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cast::{Cast, LanePlan, To};
use super::clock::{thread_cpu_ns, whole_ns};
use super::lane::Lane;
use super::pacer::Pacer;
use super::people::{People, Present, in_parallel};
use super::seat::{Sample, Seat};
use super::speaker::Speaker;
use super::stage::{Account, Latencies, Pace, Stage};
use super::template::Template;
use super::wire::Wire;
use crate::bench::error::BenchError;
use crate::client::Login;
use crate::protocol::Request;

/// How often is looked whether everything has come.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long is waited at the end of a round for what comes too much.
const LINGER: Duration = Duration::from_millis(20);

/// How long one round takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// How long nothing may come before what has not come is lost.
    pub(crate) patience: Duration,
}

/// People at their connections.
#[derive(Debug)]
pub(crate) struct Talk {
    stage: Rc<Stage>,
    seats: JoinSet<Result<(), BenchError>>,
    /// What is in the account of a round that is over.
    accounted: Account,
}

/// What came of a round.
#[derive(Debug)]
pub(crate) struct Talked<R> {
    /// How long was measured.
    pub(crate) elapsed: Duration,
    /// Within the measured time.
    pub(crate) answered: u64,
    /// Within the measured time.
    pub(crate) received: u64,
    pub(crate) latencies: Latencies,
    /// CPU time of the load itself. Units: nanoseconds.
    pub(crate) load_cpu_ns: u64,
    /// Of the whole round, warm-up included.
    pub(crate) account: Account,
    /// What was read at the beginning and at the end of the measured time.
    pub(crate) readings: (R, R),
}

/// Where the measured part of a round begins or ends.
struct Moment<R> {
    reading: R,
    at: Instant,
    load_cpu_ns: u64,
    account: Account,
}

impl Talk {
    /// Sets people up at a server.
    pub(crate) async fn at_server(cast: &Cast, people: &People, content_bytes: usize) -> Result<Self, BenchError> {
        let mut present = people.arrive(cast.people).await?;
        join_groups(cast, people, &mut present).await?;
        if people.version > 1 {
            for present in &mut present {
                let head = present.login.head.clone();
                present.wire.sync(&present.login, head).await?;
            }
        }
        let (logins, wires): (Vec<Login>, Vec<Wire>) =
            present.into_iter().map(|present| (present.login, present.wire)).unzip();
        let template = |person: usize, to: To| template(people, &logins[person], to, content_bytes);
        Ok(Self::begin(cast, wires, template))
    }

    /// Seats people at connections that are ready for what they say.
    pub(crate) fn begin(cast: &Cast, wires: Vec<Wire>, template: impl Fn(usize, To) -> Template) -> Self {
        let wakes: Vec<Rc<Notify>> = wires.iter().map(|_| Rc::default()).collect();
        let lane = |plan: &LanePlan| {
            let receivers = u32::try_from(cast.receivers(plan).len()).expect("far fewer");
            Lane::new(plan.sender, receivers, plan.gives_to)
        };
        let (lanes_of, lanes_to) = (cast.lanes_of(), cast.lanes_to());
        let speaker = |(wake, lanes): (&Rc<Notify>, &Vec<u32>)| {
            let window = lanes.iter().map(|&lane| cast.lanes[lane as usize].window).sum();
            Speaker::new(window, Rc::clone(wake))
        };
        let speakers = wakes.iter().zip(&lanes_of).map(speaker).collect();
        let stage = Rc::new(Stage::new(cast.lanes.iter().map(lane).collect(), speakers));
        let mut seats = JoinSet::new();
        for (person, (wire, wake)) in wires.into_iter().zip(wakes).enumerate() {
            if !cast.is_there(person) {
                continue;
            }
            let sends = lanes_of[person].iter().map(|&lane| (lane, template(person, cast.lanes[lane as usize].to)));
            let seat = Seat::new(wire, person, sends.collect(), &lanes_to[person], wake);
            seats.spawn_local(seat.run(Rc::clone(&stage)));
        }
        Self { stage, seats, accounted: Account::default() }
    }

    /// Has something said on every lane, for what a server does once for each is no later message's. It is in the account of the
    /// first round; where nothing more is said for as long as `patience`, that has to show why.
    pub(crate) async fn open_lanes(&mut self, patience: Duration) -> Result<(), BenchError> {
        drop(self.start(Pace::Closed));
        let (mut sent, mut waited) = (0, Duration::ZERO);
        while waited < patience && self.stage.lanes.iter().any(|lane| lane.sent() == 0) {
            self.pass(LOOK_EVERY).await?;
            let still = self.stage.account().sent;
            waited = if still == sent { waited + LOOK_EVERY } else { Duration::ZERO };
            sent = still;
        }
        self.stage.stop_sending();
        self.settle(patience).await
    }

    /// Talks for a time; `read` is called where the measured part begins and where it ends.
    pub(crate) async fn round<R>(
        &mut self,
        timing: Timing,
        pace: Pace,
        read: impl Fn() -> R,
    ) -> Result<Talked<R>, BenchError> {
        let pacing = self.start(pace);
        self.pass(timing.warm_up).await?;
        self.stage.open_window(whole_ns(timing.measured));
        let first = self.moment(&read);
        self.pass(timing.measured).await?;
        let last = self.moment(&read);
        self.stage.stop_sending();
        drop(pacing);
        self.settle(timing.patience).await?;
        let before = std::mem::replace(&mut self.accounted, self.stage.account());
        Ok(Talked {
            elapsed: last.at - first.at,
            answered: last.account.answered - first.account.answered,
            received: last.account.received - first.account.received,
            latencies: self.stage.latencies(),
            load_cpu_ns: last.load_cpu_ns - first.load_cpu_ns,
            account: self.account().since(&before),
            readings: (first.reading, last.reading),
        })
    }

    fn moment<R>(&self, read: impl Fn() -> R) -> Moment<R> {
        Moment { reading: read(), at: Instant::now(), load_cpu_ns: thread_cpu_ns(), account: self.stage.account() }
    }

    /// How long what the server sends is.
    pub(crate) fn sample(&self) -> Sample {
        self.stage.sample.get()
    }

    /// Why messages were refused, if any were.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.stage.refusal()
    }

    /// What is under way counts as lost.
    fn account(&self) -> Account {
        Account { lost: self.stage.awaited(), ..self.stage.account() }
    }

    fn start(&self, pace: Pace) -> Option<Pacing> {
        match pace {
            Pace::Closed => {
                self.stage.start_sending();
                self.stage.speakers.iter().for_each(Speaker::open);
                None
            }
            Pace::Open(per_second) => {
                let (pacer, stage) = (Pacer::start(self.stage.clock, per_second), Rc::clone(&self.stage));
                let task = tokio::task::spawn_local(async move { pacer.hand_out(&stage).await });
                Some(Pacing(task))
            }
        }
    }

    /// Lets the people talk for so long; where one of them fails, that is the end.
    async fn pass(&mut self, time: Duration) -> Result<(), BenchError> {
        tokio::select! {
            biased;
            () = sleep(time) => Ok(()),
            Some(ended) = self.seats.join_next() => {
                ended.expect("nobody aborts a seat, and a panic is passed on")?;
                Err(BenchError::Closed)
            }
        }
    }

    /// Waits until everything that was sent has come, or nothing comes any more.
    async fn settle(&mut self, patience: Duration) -> Result<(), BenchError> {
        let (mut awaited, mut waited) = (self.stage.awaited(), Duration::ZERO);
        while awaited > 0 && waited < patience {
            self.pass(LOOK_EVERY).await?;
            let still = self.stage.awaited();
            waited = if still == awaited { waited + LOOK_EVERY } else { Duration::ZERO };
            awaited = still;
        }
        self.pass(LINGER).await
    }
}

/// Ends with this.
struct Pacing(tokio::task::JoinHandle<()>);

impl Drop for Pacing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn join_groups(cast: &Cast, people: &People, present: &mut Vec<Present>) -> Result<(), BenchError> {
    for (index, members) in cast.groups.iter().enumerate() {
        present[members[0]].create_group(people.group_name(index)).await?;
    }
    let (people, count) = (people.clone(), present.len());
    let groups_of = |person: usize| {
        let joins = cast.groups.iter().enumerate().filter(move |(_, members)| members[1..].contains(&person));
        joins.map(|(index, _)| people.group_name(index)).collect::<Vec<_>>()
    };
    let arrived = std::mem::take(present).into_iter().enumerate();
    let waiting: Vec<_> = arrived.map(|(person, present)| Cell::new(Some((present, groups_of(person))))).collect();
    *present = in_parallel(count, |person| {
        let (mut present, groups) = waiting[person].take().expect("each is taken once");
        async move {
            for group_name in groups {
                present.join_group(group_name).await?;
            }
            Ok(present)
        }
    })
    .await?;
    Ok(())
}

/// What somebody says to somebody.
pub(crate) fn template(people: &People, login: &Login, to: To, content_bytes: usize) -> Template {
    let (username, token) = login.credentials();
    Template::new(content_bytes, people.version, |content, nonce| match to {
        To::User(index) => {
            Request::Whisper { username, token, recipient: people.username(index).into(), content, nonce }
        }
        To::Group(index) => {
            Request::MessageGroup { username, token, group_name: people.group_name(index).into(), content, nonce }
        }
    })
}
