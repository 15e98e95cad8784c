//! What is measured: each figure with its name, its unit and which way is better.

/// A kind of figure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// For programs; the unit is in it.
    pub(super) name: &'static str,
    /// For people.
    pub(super) label: &'static str,
    pub(super) unit: Unit,
    pub(super) better: Better,
}

/// What the number of a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things a second.
    PerSecond,
    /// Nanoseconds; people are shown larger units.
    Time,
    Bytes,
    /// A plain number.
    Number,
}

/// Which way a figure should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    More,
    Less,
    /// It says something about the run, not about the server.
    Neither,
}

/// The figures of one round, in the order in which they are shown; `None` is what cannot be known.
pub(super) type Figures = Vec<(&'static Figure, Option<f64>)>;

macro_rules! figures {
    ($($id:ident = $name:literal, $label:literal, $unit:ident, $better:ident;)*) => {
        $(pub(super) static $id: Figure =
            Figure { name: $name, label: $label, unit: Unit::$unit, better: Better::$better };)*

        #[cfg(test)]
        const ALL: &[&Figure] = &[$(&$id),*];
    };
}

figures! {
    MESSAGES = "messages_per_s", "messages a second", PerSecond, More;
    DELIVERIES = "deliveries_per_s", "deliveries a second", PerSecond, More;
    ANSWER_P50 = "answer_p50_ns", "to the answer, p50", Time, Less;
    ANSWER_P99 = "answer_p99_ns", "to the answer, p99", Time, Less;
    ANSWER_P999 = "answer_p99_9_ns", "to the answer, p99.9", Time, Less;
    ANSWER_MAX = "answer_max_ns", "to the answer, longest", Time, Less;
    RECEIPT_P50 = "receipt_p50_ns", "to the receipt, p50", Time, Less;
    RECEIPT_P99 = "receipt_p99_ns", "to the receipt, p99", Time, Less;
    RECEIPT_P999 = "receipt_p99_9_ns", "to the receipt, p99.9", Time, Less;
    RECEIPT_MAX = "receipt_max_ns", "to the receipt, longest", Time, Less;
    CPU_PER_MESSAGE = "server_cpu_ns_per_message", "server CPU a message", Time, Less;
    CPU_PER_DELIVERY = "server_cpu_ns_per_delivery", "server CPU a delivery", Time, Less;
    SERVER_CORES = "server_cores", "cores busy, server", Number, Neither;
    LOAD_CORES = "load_cores", "cores busy, load", Number, Neither;
    COMMITS = "commits_per_message", "commits a message", Number, Less;
    WRITTEN = "written_bytes_per_message", "written a message", Bytes, Less;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_given_once_and_has_the_unit_in_it() {
        let names: BTreeSet<&str> = ALL.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), ALL.len());

        for figure in ALL {
            let word = match figure.unit {
                Unit::PerSecond => "_per_s",
                Unit::Time => "_ns",
                Unit::Bytes => "_bytes",
                Unit::Number => "",
            };
            assert!(figure.name.contains(word), "{}", figure.name);
        }
    }
}
