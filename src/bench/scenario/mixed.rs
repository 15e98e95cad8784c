//! `mixed`: a chat as it is. Most connections are idle, groups are of every size, some people are away, and those who talk say one
//! thing at a time.

use crate::bench::load::cast::{Cast, To};

/// Connections that only listen, where nothing is said.
pub(super) const CONNECTIONS: usize = 500;

/// Users who take part.
const PEOPLE: usize = 200;

/// The first of them whisper, each to somebody.
const WHISPERERS: usize = 30;

/// Sizes of groups, how many there are of each, and how many talk in each.
const GROUPS: [(usize, usize, usize); 4] = [(100, 1, 3), (30, 2, 2), (10, 6, 1), (3, 10, 1)];

/// Of those behind the talkers, each that is a multiple of this is away.
const AWAY_EVERY: usize = 7;

pub(super) fn cast() -> Cast {
    let mut cast = Cast { people: PEOPLE, ..Cast::default() };
    for whisperer in 0..WHISPERERS {
        cast.add_lane(whisperer, To::User((whisperer * AWAY_EVERY + 60) % PEOPLE), 1);
    }
    let mut speaker = WHISPERERS;
    for (size, count, speakers) in GROUPS {
        for _ in 0..count {
            let group = cast.groups.len();
            cast.groups.push((speaker..speaker + size).map(|member| member % PEOPLE).collect());
            for _ in 0..speakers {
                cast.add_lane(speaker, To::Group(group), 1);
                speaker += 1;
            }
        }
    }
    cast.away = (speaker..PEOPLE).filter(|person| person.is_multiple_of(AWAY_EVERY)).collect();
    cast
}

pub(super) fn setting(connections: usize) -> String {
    let cast = cast();
    let (there, away) = (cast.people - cast.away.len(), cast.away.len());
    format!("{there} people, {away} away, {} groups of 3 to 100, {connections} idle connections", cast.groups.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn everybody_talks_in_one_place_at_most_and_only_where_they_are_members() {
        let cast = cast();

        let senders: BTreeSet<usize> = cast.lanes.iter().map(|lane| lane.sender).collect();
        assert_eq!(senders.len(), cast.lanes.len());
        assert!(senders.iter().all(|&sender| cast.is_there(sender)));
        for lane in &cast.lanes {
            if let To::Group(group) = lane.to {
                assert!(cast.groups[group].contains(&lane.sender));
            }
        }
    }

    #[test]
    fn some_whisper_to_who_is_away_and_some_groups_have_members_who_are() {
        let cast = cast();
        let sizes: BTreeSet<usize> = cast.lanes.iter().map(|lane| cast.receivers(lane).len()).collect();

        assert!(
            sizes.contains(&0) && sizes.contains(&1) && sizes.iter().any(|size| (50..100).contains(size)),
            "{sizes:?}"
        );
        assert!((10..30).contains(&cast.away.len()));
    }
}
