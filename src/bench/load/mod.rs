//! The load: people at connections, all on one thread, so that it takes one core and no more.

pub(crate) mod cast;
pub(crate) mod clock;
pub(crate) mod content;
mod lane;
pub(crate) mod ledger;
mod pacer;
pub(crate) mod people;
mod scanner;
pub(crate) mod seat;
mod speaker;
pub(crate) mod stage;
pub(crate) mod talk;
pub(crate) mod template;
pub(crate) mod wire;
