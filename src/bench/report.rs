//! What people read of a run.

use std::io::{self, Write};

use super::figure::{Figure, Part, Unit};
use super::load::stage::Account;
use super::number::grouped;
use super::options::Load;
use super::preload::Preload;
use super::result::{Outcome, Summary};

/// Writes a table for one scenario.
pub(super) fn write(out: &mut impl Write, outcome: &Outcome, load: &Load) -> io::Result<()> {
    writeln!(out, "{}", heading(outcome, load))?;
    for (part, title) in
        [(Part::Server, ""), (Part::Floor, "floors, in the same rounds"), (Part::Ratio, "in terms of the floors")]
    {
        let mut lines = outcome.summaries();
        lines.retain(|(figure, _)| figure.part == part);
        if !lines.is_empty() {
            writeln!(out, "  {title:<30}{:>14}{:>14}{:>14}", "median", "min", "max")?;
        }
        lines.into_iter().try_for_each(|(figure, summary)| write_line(out, figure, summary))?;
    }
    write_account(out, "", outcome)?;
    writeln!(out)?;
    out.flush()
}

/// How a scenario was run, in a line.
pub(super) fn heading(outcome: &Outcome, load: &Load) -> String {
    let (name, setting) = (outcome.scenario.name(), &outcome.setting);
    let separator = if setting.is_empty() { "" } else { "; " };
    let rounds = match outcome.rounds.len() {
        1 => "1 round".to_owned(),
        count => format!("{count} rounds"),
    };
    let time = match outcome.scenario.restarts_server() {
        true => String::new(),
        false => format!(" of {} s", load.measured.as_secs_f64()),
    };
    let preload = load.preload.map(|Preload { messages, users }| {
        let [messages, users] = [messages, users].map(|count| grouped(count.into()));
        format!("; {messages} messages of {users} users before")
    });
    format!("{name}: {setting}{separator}{rounds}{time}{}", preload.unwrap_or_default())
}

fn write_line(out: &mut impl Write, figure: &Figure, summary: Option<Summary>) -> io::Result<()> {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| show(value, figure.unit));
    let [median, min, max] = [
        shown(summary.map(|summary| summary.median)),
        shown(summary.map(|summary| summary.min)),
        shown(summary.map(|summary| summary.max)),
    ];
    writeln!(out, "  {:<30}{median:>14}{min:>14}{max:>14}", figure.label)
}

/// Writes what became of all messages.
pub(super) fn write_account(out: &mut impl Write, which: &str, outcome: &Outcome) -> io::Result<()> {
    let account = outcome.account();
    let Account { sent, answered, refused, received, lost, doubled, out_of_order, unknown } = account;
    if sent == 0 && account.is_right() {
        return Ok(());
    }
    write!(out, "  {which}{} sent, ", grouped(sent as f64))?;
    for (count, what) in [(answered, "answered"), (received, "received")] {
        if count > 0 {
            write!(out, "{} {what}, ", grouped(count as f64))?;
        }
    }
    if account.is_right() {
        writeln!(out, "each once and in order")?;
    } else {
        writeln!(out, "FAILED: {lost} lost, {doubled} doubled, {out_of_order} out of order, {unknown} unknown")?;
    }
    match &outcome.refusal {
        Some(why) => writeln!(out, "  {} refused: {why}", grouped(refused as f64)),
        None => Ok(()),
    }
}

/// A number with its unit, three or four digits of it.
pub(super) fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond if value >= 100.0 => grouped(value),
        Unit::PerSecond | Unit::Number => digits(value),
        Unit::Times => format!("{} x", digits(value)),
        Unit::Time => scaled(value, &[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]),
        Unit::Bytes => scaled(value, &[("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)]),
    }
}

fn scaled(value: f64, scales: &[(&str, f64)]) -> String {
    let fitting = scales.iter().rev().find(|(_, scale)| value.abs() >= *scale).unwrap_or(&scales[0]);
    format!("{} {}", digits(value / fitting.1), fitting.0)
}

/// Three digits that say something.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        size if size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_that_people_read() {
        let shown = [
            (1_234_567.4, Unit::PerSecond, "1,234,567"),
            (12.345, Unit::PerSecond, "12.3"),
            (950.0, Unit::Time, "950 ns"),
            (1_234_567.0, Unit::Time, "1.23 ms"),
            (2.5e10, Unit::Time, "25.0 s"),
            (25_600.0, Unit::Bytes, "25.0 KiB"),
            (0.0312, Unit::Number, "0.031"),
            (0.0, Unit::Number, "0.00"),
            (2.345, Unit::Times, "2.35 x"),
        ];
        for (value, unit, expected) in shown {
            assert_eq!(show(value, unit), expected);
        }
        assert_eq!([999.0, 1000.0, 100_000.0].map(grouped), ["999", "1,000", "100,000"]);
    }
}
