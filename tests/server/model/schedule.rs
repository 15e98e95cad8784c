//! What may happen, as plain data.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

pub(super) const USERS: usize = 3;
pub(super) const GROUPS: usize = 2;

/// Connections that may be open at once. The first two have buffers so small that they stall after a few messages.
pub(super) const DEVICES: usize = 4;
pub(super) const NARROW_DEVICES: usize = 2;

/// Steps after the opening.
const MAX_OPS: usize = 20;

/// One step. A connection is opened by the first step that needs it. It reads while it waits for a response and when it
/// catches up; all the rest of the time it lags. What is said in one step is sent before any response is awaited. A connection
/// that breaks is gone without a word.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Register { device: usize, user: usize },
    LogIn { device: usize, user: usize },
    LogOut { device: usize },
    CreateGroup { device: usize, group: usize },
    JoinGroup { device: usize, group: usize },
    Say(Vec<Said>),
    CatchUp { device: usize },
    Disconnect { device: usize },
    Break { device: usize },
    Restart,
}

/// `count` messages from one connection.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) device: usize,
    pub(super) to: To,
    pub(super) count: usize,
    pub(super) size_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum To {
    User(usize),
    Group(usize),
}

pub(super) fn without_restarts() -> impl Strategy<Value = Vec<Op>> {
    schedule(prop_oneof![
        1 => register(),
        5 => log_in(),
        3 => log_out(),
        1 => (0..DEVICES, 0..GROUPS).prop_map(|(device, group)| Op::CreateGroup { device, group }),
        2 => (0..DEVICES, 0..GROUPS).prop_map(|(device, group)| Op::JoinGroup { device, group }),
        8 => vec(said(), 1..4).prop_map(Op::Say),
        4 => (0..DEVICES).prop_map(|device| Op::CatchUp { device }),
        3 => (0..DEVICES).prop_map(|device| Op::Disconnect { device }),
        1 => (0..DEVICES).prop_map(|device| Op::Break { device }),
    ])
}

pub(super) fn with_restarts() -> impl Strategy<Value = Vec<Op>> {
    schedule(prop_oneof![
        4 => log_in(),
        1 => log_out(),
        6 => vec(said(), 1..4).prop_map(Op::Say),
        2 => (0..DEVICES).prop_map(|device| Op::CatchUp { device }),
        1 => (0..DEVICES).prop_map(|device| Op::Disconnect { device }),
        1 => (0..DEVICES).prop_map(|device| Op::Break { device }),
        2 => Just(Op::Restart),
    ])
}

fn schedule(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Vec<Op>> {
    (opening(), vec(op, 1..MAX_OPS)).prop_map(|(opening, ops)| [opening, ops].concat())
}

/// Most of what makes a schedule interesting: people who are registered, logged in and members.
fn opening() -> impl Strategy<Value = Vec<Op>> {
    let registrations = (0..USERS).map(|user| Op::Register { device: user, user });
    let logins = (0..USERS).map(|user| Op::LogIn { device: user, user });
    let groups = (0..GROUPS).map(|group| Op::CreateGroup { device: group, group });
    let members = (0..USERS).map(|device| Op::JoinGroup { device, group: 0 });
    let all: Vec<Op> = registrations.chain(logins).chain(groups).chain(members).collect();
    let length = all.len();
    subsequence(all, length - 3..=length)
}

fn register() -> impl Strategy<Value = Op> {
    (0..DEVICES, 0..USERS).prop_map(|(device, user)| Op::Register { device, user })
}

fn log_in() -> impl Strategy<Value = Op> {
    (0..DEVICES, 0..USERS).prop_map(|(device, user)| Op::LogIn { device, user })
}

fn log_out() -> impl Strategy<Value = Op> {
    (0..DEVICES).prop_map(|device| Op::LogOut { device })
}

/// One short message, or a flood that fills an outbox and the smallest socket.
fn said() -> impl Strategy<Value = Said> {
    let to = prop_oneof![(0..USERS).prop_map(To::User), (0..GROUPS).prop_map(To::Group)];
    let amount = prop_oneof![6 => (Just(1_usize), Just(20_usize)), 1 => (10..40_usize, 500..4000_usize)];
    (0..DEVICES, to, amount).prop_map(|(device, to, (count, size_bytes))| Said { device, to, count, size_bytes })
}
