//! `whisper` and `ping-pong`.

use crate::bench::load::cast::{Cast, LanePlan, To};
use crate::bench::options::Load;

/// Pairs, of which one whispers to the other.
pub(super) fn pairs(load: &Load) -> Cast {
    let mut cast = Cast { people: load.pairs * 2, ..Cast::default() };
    for pair in 0..load.pairs {
        cast.add_lane(2 * pair, To::User(2 * pair + 1), load.window);
    }
    cast
}

pub(super) fn setting(load: &Load) -> String {
    match load.rate {
        None => format!("{} pairs, {} under way in each", load.pairs, load.window),
        Some(_) => format!("{} pairs", load.pairs),
    }
}

/// Two people, of whom one whispers when the other's whisper has come.
pub(super) fn ping_pong() -> Cast {
    let lane = |sender, to, window, gives_to| LanePlan { sender, to: To::User(to), window, gives_to };
    Cast { people: 2, lanes: vec![lane(0, 1, 1, 1), lane(1, 0, 0, 0)], ..Cast::default() }
}
