//! What waits for one connection's socket: responses, and updates while its reader keeps up.
//!
//! The `State` inside decides and knows neither locks nor tasks, its `Queue` is what waits; [`Outbox`] is the handle that the
//! dispatcher, the connection's reader and its writer share. Nobody who puts something in ever waits for the socket.
//!
//! Who puts something in for a writer that sleeps is handed a [`Due`]: dropped, it wakes the writer; and where there is little to
//! do it writes by itself, which spares waking a thread.

mod due;
mod queue;
mod state;

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

pub use due::Due;
pub use queue::{Chunk, Encoded, RUN_BYTES, Received};
use state::State;
pub use state::{Following, Gap, Next, OutboxLimits};

use crate::domain::{MessageId, UserId};
use crate::protocol::Framing;
use crate::sync::{Mutex, MutexGuard};

/// One connection's outbox.
#[derive(Debug)]
pub struct Outbox {
    framing: Framing,
    /// Whether version 2 is spoken. Set before anything is asked for that could be answered otherwise.
    is_version_2: AtomicBool,
    shared: Mutex<Shared>,
    /// Where others than the connection's writer may write; there is none over TLS.
    sink: Option<Arc<dyn Sink>>,
}

/// A socket, for who cannot wait for it.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Writes as much of a chunk as is taken at once; what is left of it.
    fn try_write(&self, chunk: Chunk) -> Option<Chunk>;
}

/// What waits, and who waits for it. Of the connection's tasks only one reads and one writes, so that each has one place.
#[derive(Debug)]
struct Shared {
    state: State,
    /// Of the connection's writer, while there is nothing for it.
    writer: Option<Waker>,
    /// Of the connection's reader, while it waits for an answer or for room.
    reader: Option<Waker>,
}

impl Outbox {
    /// An empty outbox of a connection that nobody is logged in on.
    pub fn new(framing: Framing, limits: OutboxLimits, sink: Option<Arc<dyn Sink>>) -> Self {
        Self {
            framing,
            is_version_2: AtomicBool::new(false),
            shared: Mutex::new(Shared { state: State::new(limits), writer: None, reader: None }),
            sink,
        }
    }

    /// How this connection's responses and updates are encoded.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether version 2 is spoken on this connection.
    pub fn is_version_2(&self) -> bool {
        self.is_version_2.load(Ordering::Relaxed)
    }

    /// From now on version 2 is spoken on this connection.
    pub fn speak_version_2(&self) {
        self.is_version_2.store(true, Ordering::Relaxed);
    }

    /// Numbers the next request, once few enough are unanswered and the responses' share has room for its response.
    ///
    /// Cancel safety: may be dropped; no number is used up then. Only the connection's reader calls this.
    pub async fn ask(&self) -> u64 {
        poll_fn(|cx| self.lock().read_when(cx, State::ask)).await
    }

    /// How many requests were numbered so far.
    pub fn asked(&self) -> u64 {
        self.lock().state.asked()
    }

    /// Returns once every request before `sequence` is answered.
    ///
    /// Cancel safety: may be dropped and called again. Only the connection's reader calls this.
    pub async fn answered_before(&self, sequence: u64) {
        poll_fn(|cx| self.lock().read_when(cx, |state| state.answered_before(sequence).then_some(()))).await;
    }

    /// Puts in the response to request `sequence`; it leaves after those to the requests before it.
    pub fn respond(self: &Arc<Self>, sequence: u64, response: Cow<'static, [u8]>) -> Option<Due> {
        let mut shared = self.lock();
        let is_next = shared.state.respond(sequence, response);
        let writer = if is_next { shared.writer.take() } else { None };
        let reader = shared.reader.take();
        drop(shared);
        reader.into_iter().for_each(Waker::wake);
        self.due(writer)
    }

    /// Puts in an update that this connection's user is owed, encoded by `encode` only if there is room for it now.
    pub fn offer<'a>(self: &Arc<Self>, message_id: MessageId, encode: impl FnOnce() -> Encoded<'a>) -> Option<Due> {
        let mut shared = self.lock();
        let writer = if shared.state.offer(message_id, encode) { shared.writer.take() } else { None };
        drop(shared);
        self.due(writer)
    }

    fn due(self: &Arc<Self>, writer: Option<Waker>) -> Option<Due> {
        writer.map(|writer| Due::new(Arc::clone(self), writer))
    }

    /// From now on the connection receives what `user_id` is owed behind `mark`. `published` is the newest message that was
    /// offered to anyone: the rest will be offered to this outbox.
    pub fn attach(&self, user_id: UserId, mark: MessageId, published: MessageId) {
        self.put(|state| {
            state.attach(user_id, mark, published);
            true
        });
    }

    /// From now on a connection of version 2 receives all of its user's conversations, from where it asked for. `published` as
    /// above.
    pub fn follow(&self, following: Following, published: MessageId) {
        self.put(|state| {
            state.follow(following, published);
            true
        });
    }

    /// Puts in an update that is in no log, on a connection that follows in version 2.
    pub fn hint(&self, bytes: Arc<[u8]>) {
        self.put(|state| state.hint(bytes));
    }

    /// From now on the connection receives nothing but `last`; to be closed.
    pub fn end(&self, last: Option<Arc<[u8]>>) {
        self.put(|state| {
            state.end(last);
            true
        });
    }

    /// From now on the connection receives no updates; those still waiting are dropped, and count as missed.
    pub fn detach(&self) {
        self.lock().state.detach();
    }

    /// What the connection's writer should do next, as soon as there is something. To be called only when what it was told
    /// before is done.
    ///
    /// Cancel safety: may be dropped and called again. Only the connection's writer calls this.
    pub async fn next(&self) -> Next {
        poll_fn(|cx| {
            let mut shared = self.lock();
            let reader = if shared.state.makes_room() { shared.reader.take() } else { None };
            let next = shared.state.next();
            if next.is_none() {
                wait(&mut shared.writer, cx);
            }
            drop(shared);
            reader.into_iter().for_each(Waker::wake);
            next.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Tells a connection of version 2, unless it knows, that messages which come in `gap` or behind it are deleted, up to
    /// `pruned_upto`. To be called before [`Outbox::fill`].
    pub fn miss(&self, gap: Gap, pruned_upto: MessageId, encode: impl FnOnce() -> Arc<[u8]>) {
        self.lock().state.miss(gap, pruned_upto, encode);
    }

    /// Hands in what the store says is owed in `gap`, encoded: all there is up to `reached`. Several messages may be in one part;
    /// the id is that of the newest in it.
    pub fn fill(&self, gap: Gap, updates: Vec<(MessageId, Arc<[u8]>)>, reached: MessageId) {
        self.lock().state.fill(gap, updates, reached);
    }

    /// No more requests will be asked and no more updates offered: once empty, [`Outbox::next`] says so.
    pub fn close(&self) {
        self.put(|state| {
            state.close();
            true
        });
    }

    /// Changes what waits, and wakes the writer if `put` says that there is something for it now.
    fn put(&self, put: impl FnOnce(&mut State) -> bool) {
        let mut shared = self.lock();
        let writer = if put(&mut shared.state) { shared.writer.take() } else { None };
        drop(shared);
        writer.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("nothing in here panics, so the lock is never poisoned")
    }
}

impl Shared {
    /// What the reader asks of the state, or `Pending` until that may have changed.
    fn read_when<A>(&mut self, cx: &Context<'_>, ask: impl FnOnce(&mut State) -> Option<A>) -> Poll<A> {
        match ask(&mut self.state) {
            Some(answer) => Poll::Ready(answer),
            None => {
                wait(&mut self.reader, cx);
                Poll::Pending
            }
        }
    }
}

/// Notes who waits, in its one place.
fn wait(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

#[cfg(all(test, not(chinwag_shuttle)))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes so many bytes at once, and then no more.
    #[derive(Debug)]
    struct Pipe(Mutex<(usize, Vec<u8>)>);

    impl Sink for Pipe {
        fn try_write(&self, mut chunk: Chunk) -> Option<Chunk> {
            let mut pipe = self.0.lock().expect("nobody panics while they hold it");
            let taken = pipe.0.min(chunk.bytes.len());
            pipe.0 -= taken;
            pipe.1.extend(chunk.bytes.drain(..taken));
            drop(pipe);
            (!chunk.bytes.is_empty()).then_some(chunk)
        }
    }

    #[test]
    fn a_writer_sleeps_on_while_another_writes_all_and_is_woken_for_the_rest() {
        let pipe = Arc::new(Pipe(Mutex::new((6, Vec::new()))));
        let limits = OutboxLimits { bytes: 4096, in_flight: 4 };
        let outbox = Arc::new(Outbox::new(Framing::Array, limits, Some(Arc::clone(&pipe) as Arc<dyn Sink>)));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert_eq!(pin!(outbox.next()).poll(&mut cx), Poll::Pending);
        for sequence in 0..2 {
            assert_eq!(pin!(outbox.ask()).poll(&mut cx), Poll::Ready(sequence));
        }

        outbox.respond(0, Cow::Borrowed(b"done")).unwrap().write();
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        outbox.respond(1, Cow::Borrowed(b"again")).unwrap().write();

        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(pipe.0.lock().unwrap().1, b"doneag");
        let Poll::Ready(Next::Write(rest)) = pin!(outbox.next()).poll(&mut cx) else { panic!("some is left") };
        assert_eq!(rest.bytes, b"ain");
    }

    #[test]
    fn a_reader_that_waits_is_woken_by_room_and_not_by_a_writer_that_waits_too() {
        let outbox = Arc::new(Outbox::new(Framing::Array, OutboxLimits { bytes: 4096, in_flight: 1 }, None));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert_eq!(pin!(outbox.ask()).poll(&mut cx), Poll::Ready(0));

        let mut asking = pin!(outbox.ask());
        assert_eq!(asking.as_mut().poll(&mut cx), Poll::Pending);
        for _ in 0..3 {
            assert_eq!(pin!(outbox.next()).poll(&mut cx), Poll::Pending);
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);

        drop(outbox.respond(0, Cow::Borrowed(b"done")));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(asking.as_mut().poll(&mut cx), Poll::Ready(1));
    }
}
