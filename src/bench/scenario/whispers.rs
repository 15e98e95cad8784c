//! `whisper` and `ping-pong`.

use crate::bench::load::cast::{Cast, LanePlan, To};
use crate::bench::number::grouped;
use crate::bench::options::Load;

/// Who whispers in `whisper`.
pub(super) fn cast(load: &Load) -> Cast {
    load.conversations.map_or_else(|| pairs(load), |conversations| evenly(conversations, load.window))
}

/// As few people as have so many conversations with one another. In each of them one whispers to the other, and everybody takes
/// those in which they whisper in turn.
fn evenly(conversations: u32, window: u32) -> Cast {
    let mut cast = Cast { people: people_with(conversations), ..Cast::default() };
    for conversation in 0..conversations as usize {
        let (sender, turn) = (conversation % cast.people, conversation / cast.people);
        let receiver = (sender + turn + 1) % cast.people;
        cast.add_lane(sender, To::User(receiver), if turn == 0 { window } else { 0 });
    }
    cast
}

/// Everybody can have a conversation with everybody else.
fn people_with(conversations: u32) -> usize {
    (2..).find(|people| people * (people - 1) / 2 >= conversations as usize).expect("there is no end to people")
}

/// Pairs, of which one whispers to the other.
pub(super) fn pairs(load: &Load) -> Cast {
    let mut cast = Cast { people: load.pairs * 2, ..Cast::default() };
    for pair in 0..load.pairs {
        cast.add_lane(2 * pair, To::User(2 * pair + 1), load.window);
    }
    cast
}

pub(super) fn setting(load: &Load) -> String {
    let Some(conversations) = load.conversations else { return setting_of_pairs(load) };
    let people = people_with(conversations);
    let under_way = load.rate.map_or_else(|| format!(", {} under way of each", load.window), |_| String::new());
    format!("{} conversations of {people} people{under_way}", grouped(conversations.into()))
}

pub(super) fn setting_of_pairs(load: &Load) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_as_many_conversations_as_are_asked_for_and_everybody_has_as_many_as_the_others() {
        for conversations in [1, 2, 3, 4, 6, 7, 10, 1000, 100_000] {
            let cast = evenly(conversations, 32);

            let pair = |lane: &LanePlan| match lane.to {
                To::User(receiver) => (lane.sender.min(receiver), lane.sender.max(receiver)),
                To::Group(_) => panic!("a whisper goes to a user"),
            };
            let pairs: BTreeSet<_> = cast.lanes.iter().map(pair).collect();
            assert_eq!(pairs.len(), conversations as usize);
            assert!(pairs.iter().all(|(one, other)| one < other && *other < cast.people));
            let counts: BTreeSet<usize> = cast.lanes_of().iter().map(Vec::len).collect();
            assert!(counts.last().unwrap() - counts.first().unwrap() <= 1, "{conversations}: {counts:?}");
        }
        assert_eq!(evenly(100_000, 32).people, 448);
    }

    #[test]
    fn everybody_has_the_whole_window_under_way_on_all_lanes_together() {
        let cast = evenly(15, 32);

        let window = |lanes: &Vec<u32>| lanes.iter().map(|&lane| cast.lanes[lane as usize].window).sum::<u32>();
        assert_eq!(cast.lanes_of().iter().map(window).collect::<Vec<_>>(), [32; 6]);
        assert!((0..).zip(&cast.lanes).all(|(index, lane)| lane.gives_to == index));
    }
}
