use super::branch::Text;
use super::kernel::{Buffer, InstructionSet};
use super::lower::{Embedding, Rows};
use crate::error::{Error, ErrorKind, Result};

impl Embedding {
    /// Panels of what it gives for `ids`, in `buffer`; zeros beyond the sequence.
    ///
    /// # Errors
    /// `Engine` where a table has no row for an id or a position.
    pub(super) fn run<'a>(
        &self,
        set: InstructionSet,
        ids: &[i64],
        text: Text,
        buffer: &'a mut Buffer,
    ) -> Result<&'a [f32]> {
        let Text { tokens, attended, .. } = text;
        let channels = self.size();
        let size = channels * tokens.count();
        buffer.room(size);
        let panels = &mut buffer[..size];
        panels.fill(0.0);
        // Row by row as the tables lie, then into the panels.
        let mut sums = vec![0.0; channels];
        for (position, &id) in ids.iter().enumerate() {
            sums.fill(0.0);
            for source in &self.sources {
                let table = source.table();
                let row = match source.rows {
                    Rows::Token => usize::try_from(id).unwrap_or(usize::MAX),
                    Rows::Position { padding: Some(row), .. } if position >= attended => row,
                    Rows::Position { first, .. } => first.saturating_add(position),
                    Rows::Fixed(row) => row,
                };
                if row >= table.rows {
                    let place = format!("embedding of position {position}");
                    let (found, expected) =
                        (format!("row {row}"), format!("a row below {}", table.rows));
                    return Err(Error::new(ErrorKind::Engine, place, found, expected));
                }
                table.add_row(row, &mut sums);
            }
            let (first, step) = tokens.place(position, channels);
            for (value, &sum) in panels[first..].iter_mut().step_by(step).zip(&sums) {
                *value = sum;
            }
        }
        if let Some(norm) = &self.norm {
            norm.run(set, panels, None, tokens);
        }
        Ok(panels)
    }
}
