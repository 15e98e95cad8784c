//! `group` and `groups`: people who hear everything that is said in a group.

use crate::bench::load::cast::{Cast, To};
use crate::bench::options::Load;

/// Members who talk in a group; the others listen.
const SPEAKERS: usize = 4;

/// One group, in which a few talk and all listen.
pub(super) fn one(load: &Load) -> Cast {
    let mut cast = Cast { people: load.members, groups: vec![(0..load.members).collect()], ..Cast::default() };
    let speakers = SPEAKERS.min(load.members);
    for speaker in 0..speakers {
        cast.add_lane(speaker, To::Group(0), share(load.window, speaker, speakers));
    }
    cast
}

/// Members of each of many groups.
const FEW: usize = 10;

/// Many groups of a few members, nobody in two of them.
pub(super) fn many(load: &Load) -> Cast {
    let mut cast = Cast { people: load.groups * FEW, ..Cast::default() };
    for group in 0..load.groups {
        let first = group * FEW;
        cast.groups.push((first..first + FEW).collect());
        for speaker in 0..SPEAKERS {
            cast.add_lane(first + speaker, To::Group(group), share(load.window, speaker, SPEAKERS));
        }
    }
    cast
}

/// One speaker's share of the messages that are under way in a group.
fn share(window: u32, speaker: usize, speakers: usize) -> u32 {
    let [speaker, speakers] = [speaker, speakers].map(|count| u32::try_from(count).expect("a few"));
    window / speakers + u32::from(speaker < window % speakers)
}

pub(super) fn setting(load: &Load) -> String {
    match load.rate {
        None => format!("{} members, {} under way", load.members, load.window),
        Some(_) => format!("{} members", load.members),
    }
}

pub(super) fn setting_of_many(load: &Load) -> String {
    match load.rate {
        None => format!("{} groups of {FEW}, {} under way in each", load.groups, load.window),
        Some(_) => format!("{} groups of {FEW}", load.groups),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_shared_without_a_rest() {
        let shares = |window| (0..4).map(|speaker| share(window, speaker, 4)).collect::<Vec<_>>();

        assert_eq!(shares(32), [8; 4]);
        assert_eq!(shares(6), [2, 2, 1, 1]);
        assert_eq!(shares(1), [1, 0, 0, 0]);
    }
}
