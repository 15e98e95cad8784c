//! The behaviours, topic by topic, in the order of docs/PROTOCOL.md.

mod account;
mod bad_input;
mod beside;
mod connecting;
mod contact;
mod delivery;
mod ending;
mod group;
mod hello;
mod lists;
mod login;
mod nonce;
mod order;
mod precedence;
mod register;
mod session;
mod shapes;
mod size;
mod stranger;
mod sync;
mod token;
mod vectors;
mod whisper;

use super::behaviour::Behaviour;

/// All of them.
pub(super) const TOPICS: &[&[Behaviour]] = &[
    connecting::BEHAVIOURS,
    order::BEHAVIOURS,
    register::BEHAVIOURS,
    login::BEHAVIOURS,
    contact::BEHAVIOURS,
    whisper::BEHAVIOURS,
    group::BEHAVIOURS,
    token::BEHAVIOURS,
    precedence::BEHAVIOURS,
    delivery::BEHAVIOURS,
    bad_input::BEHAVIOURS,
    vectors::BEHAVIOURS,
    size::BEHAVIOURS,
    stranger::BEHAVIOURS,
    ending::BEHAVIOURS,
    hello::BEHAVIOURS,
    shapes::BEHAVIOURS,
    session::BEHAVIOURS,
    nonce::BEHAVIOURS,
    sync::BEHAVIOURS,
    lists::BEHAVIOURS,
    account::BEHAVIOURS,
    beside::BEHAVIOURS,
];
