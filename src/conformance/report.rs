//! What people read of a run.

use std::io::{self, Write};

use super::Summary;
use super::behaviour::{Behaviour, Met, Unmet, Wire};

/// Writes how a behaviour ended: one line, and below it what the document says where the server does otherwise.
pub(super) fn write(out: &mut impl Write, behaviour: &Behaviour, wire: Wire, met: &Met) -> io::Result<()> {
    let Behaviour { name, section, says, .. } = behaviour;
    match met {
        Ok(()) => writeln!(out, "passed  {wire:<9} {name}"),
        Err(Unmet::Skipped(why)) => writeln!(out, "skipped {wire:<9} {name} ({why})"),
        Err(Unmet::Failed(lines)) => {
            writeln!(out, "FAILED  {wire:<9} {name}")?;
            writeln!(out, "    docs/PROTOCOL.md, \"{section}\", says: {says}")?;
            lines.iter().try_for_each(|line| writeln!(out, "    {line}"))
        }
    }?;
    out.flush()
}

/// Writes the last line.
pub(super) fn write_summary(out: &mut impl Write, summary: Summary) -> io::Result<()> {
    let Summary { passed, failed, skipped } = summary;
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    writeln!(out, "{passed} passed, {failed} failed{skipped}")?;
    out.flush()
}
