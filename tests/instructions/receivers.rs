//! From an encoded update to the bytes for a socket, of one receiver or of a hundred.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use chinwag::domain::{GroupId, MessageId, TokenHash, UserId};
use chinwag::outbox::{Encoded, Next, Outbox, OutboxLimits};
use chinwag::protocol::{Framing, MessageRef};
use chinwag::registry::{Online, Presence, Registry};
use gungraun::{library_benchmark, library_benchmark_group};

use super::wire::CONTENT;

const GROUP: GroupId = GroupId(1);
const MEMBERS: i64 = 100;
const UPDATES: usize = 100;

/// What was delivered before, more than what an outbox keeps no room after.
const DELIVERED: i64 = 16;

/// An outbox that has delivered before, and whose writer waits.
fn live(user_id: UserId) -> Arc<Outbox> {
    let limits = OutboxLimits { bytes: 256 * 1024, in_flight: 64 };
    let outbox = Arc::new(Outbox::new(Framing::Array, limits, None));
    outbox.attach(user_id, MessageId(0), MessageId(0));
    assert!(take(&outbox).is_none());
    for message_id in (1..=DELIVERED).map(MessageId) {
        drop(outbox.offer(message_id, || Encoded::Shared(update())));
        assert!(take(&outbox).is_some() && take(&outbox).is_none());
    }
    outbox
}

fn update() -> Arc<[u8]> {
    let mut bytes = Vec::new();
    MessageRef { group_name: Some("walkers"), sender: "ada", content: CONTENT, stamp: None }
        .write(Framing::Array, &mut bytes);
    bytes.into()
}

/// What the writer would be told; `None` where it would have to wait.
fn take(outbox: &Outbox) -> Option<Next> {
    match pin!(outbox.next()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

fn one() -> (Arc<Outbox>, Arc<[u8]>) {
    (live(UserId(1)), update())
}

#[library_benchmark(setup = one)]
#[bench::live()]
fn offer_and_take_100_updates((outbox, update): (Arc<Outbox>, Arc<[u8]>)) -> (Arc<Outbox>, Arc<[u8]>) {
    for message_id in (DELIVERED + 1..).take(UPDATES).map(MessageId) {
        drop(outbox.offer(message_id, || Encoded::Own(&update)));
    }
    while let Some(next) = take(&outbox) {
        black_box(next);
    }
    (outbox, update)
}

type Group = (Arc<Registry<Outbox>>, Vec<Presence<Outbox>>);

fn group() -> (Group, Arc<[u8]>) {
    let registry = Arc::new(Registry::default());
    let online =
        |user_id| Online { user_id, token_hash: TokenHash([0; 32]), groups: vec![GROUP], receiver: live(user_id) };
    let presences = (1..=MEMBERS).map(|id| registry.enter(online(UserId(id)))).collect();
    ((registry, presences), update())
}

#[library_benchmark(setup = group)]
#[bench::live()]
fn publish_to_100((group, bytes): (Group, Arc<[u8]>)) -> (Group, Arc<[u8]>) {
    group
        .0
        .for_members(GROUP, |outbox| drop(outbox.offer(MessageId(DELIVERED + 1), || Encoded::Shared(bytes.clone()))));
    (group, bytes)
}

library_benchmark_group!(name = outbox, benchmarks = offer_and_take_100_updates);
library_benchmark_group!(name = registry, benchmarks = publish_to_100);
