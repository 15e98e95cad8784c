//! What a behaviour is, and how it ends.

use std::fmt;
use std::pin::Pin;

use super::scene::Scene;
use crate::protocol::Framing;

/// Something that docs/PROTOCOL.md says of a server, and how to see it.
pub(super) struct Behaviour {
    /// A sentence, unlike that of any other.
    pub(super) name: &'static str,
    /// On which it is tried.
    pub(super) wires: &'static [Wire],
    /// The heading in docs/PROTOCOL.md.
    pub(super) section: &'static str,
    /// The words below that heading.
    pub(super) says: &'static str,
    pub(super) check: Check,
}

pub(super) enum Check {
    Run(Run),
    /// It is not tried, and why.
    Skip(&'static str),
}

/// `|scene| Box::pin(function(scene))` of an `async fn function(scene: &mut Scene) -> Met`.
pub(super) type Run = for<'s> fn(&'s mut Scene) -> Pin<Box<dyn Future<Output = Met> + Send + 's>>;

/// How a step of a behaviour ends.
pub(super) type Met<T = ()> = Result<T, Unmet>;

/// Why a behaviour was not seen.
#[derive(Debug, Clone)]
pub(super) enum Unmet {
    /// The server does otherwise: what was awaited and what came, a line each.
    Failed(Vec<String>),
    /// It could not be tried here, and why.
    Skipped(String),
}

impl Unmet {
    pub(super) fn because(line: impl Into<String>) -> Self {
        Self::Failed(vec![line.into()])
    }
}

/// A version in one of its framings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Wire {
    Bare,
    Array,
    Version2,
}

/// Where it depends on the codec.
pub(super) const EVERY: &[Wire] = &[Wire::Bare, Wire::Array, Wire::Version2];
pub(super) const VERSION_1: &[Wire] = &[Wire::Bare, Wire::Array];
pub(super) const VERSION_2: &[Wire] = &[Wire::Version2];
/// Where requests are arrays.
pub(super) const ARRAYS: &[Wire] = &[Wire::Array, Wire::Version2];
/// Where one is as good as another, so that few users are registered.
pub(super) const ONE: &[Wire] = &[Wire::Array];
pub(super) const BARE: &[Wire] = &[Wire::Bare];

impl Wire {
    pub(super) fn version(self) -> u8 {
        match self {
            Self::Bare | Self::Array => 1,
            Self::Version2 => 2,
        }
    }

    pub(super) fn framing(self) -> Framing {
        match self {
            Self::Bare => Framing::Bare,
            Self::Array | Self::Version2 => Framing::Array,
        }
    }

    pub(super) fn is_version_2(self) -> bool {
        self == Self::Version2
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bare => "v1 bare",
            Self::Array => "v1 array",
            Self::Version2 => "v2 array",
        })
    }
}
