use super::parts::Part;
use super::{GradientFile, Point};
use crate::engine::{Input, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::masks::Mask;

/// The most positions, padding included, of one run: what a run holds at once grows with them, and on the way
/// back everything on the way there is held.
const POSITIONS: usize = 2048;

/// The gradient by the embedding of each of S positions, and how far that is from the baseline's: `[S, E]` each,
/// row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbeddingGradient {
    /// The gradient.
    pub gradient: Vec<f32>,
    /// The embedding less the baseline's.
    pub change: Vec<f32>,
}

impl GradientFile {
    /// `[C]` for each point: the logits of concept `concept`, of 0 to K − 1, under `masks`, which stand in the
    /// order of the file's layers.
    ///
    /// # Errors
    /// `Input` where concept, masks or points do not fit the file, `Engine` where the engine fails.
    pub fn logits(
        &self,
        concept: usize,
        masks: &[Mask],
        points: &[Point],
    ) -> Result<Vec<Vec<f32>>> {
        self.check(concept, masks, points)?;
        let classes = self.schema().class_count();
        let mut logits = vec![Vec::new(); points.len()];
        for batch in self.batches(Part::Logits, points)? {
            let chosen: Vec<&Point> = batch.iter().map(|&index| &points[index]).collect();
            let outputs = self.run(Part::Logits, concept, masks, &chosen, &[])?;
            let values = expect(&outputs[0], "concept_logits", batch.len() * classes)?;
            for (&index, values) in batch.iter().zip(values.chunks(classes)) {
                logits[index] = values.to_vec();
            }
        }
        Ok(logits)
    }

    /// The gradient of Σ `logit_gradients` · logits by each point's embeddings; `logit_gradients` is `[C]` for
    /// each point.
    ///
    /// # Errors
    /// As [`GradientFile::logits`], and `Input` where the gradients are not as many as points and classes.
    pub fn embedding_gradients(
        &self,
        concept: usize,
        masks: &[Mask],
        points: &[Point],
        logit_gradients: &[Vec<f32>],
    ) -> Result<Vec<EmbeddingGradient>> {
        self.check(concept, masks, points)?;
        self.check_gradients(points, logit_gradients)?;
        let size = self.description.written.embedding_size;
        let mut found = vec![EmbeddingGradient::default(); points.len()];
        for batch in self.batches(Part::Embeddings, points)? {
            let chosen: Vec<&Point> = batch.iter().map(|&index| &points[index]).collect();
            let given: Vec<f32> = gathered(&batch, logit_gradients);
            let outputs = self.run(Part::Embeddings, concept, masks, &chosen, &given)?;
            let row = longest(&chosen) * size;
            let gradient = expect(&outputs[0], "embedding_gradient", batch.len() * row)?;
            let change = expect(&outputs[1], "embedding_change", batch.len() * row)?;
            for (nth, (&index, point)) in batch.iter().zip(chosen).enumerate() {
                let own = nth * row..nth * row + point.ids.len() * size;
                let (gradient, change) = (gradient[own.clone()].to_vec(), change[own].to_vec());
                found[index] = EmbeddingGradient { gradient, change };
            }
        }
        Ok(found)
    }

    /// The gradient of Σ `logit_gradients` · logits, summed over the points, by each mask bit of each
    /// layer, as if bits were numbers: `[rows / block_rows, columns]`. `logit_gradients` is `[C]` for each point.
    ///
    /// # Errors
    /// As [`GradientFile::embedding_gradients`].
    pub fn mask_gradients(
        &self,
        concept: usize,
        masks: &[Mask],
        points: &[Point],
        logit_gradients: &[Vec<f32>],
    ) -> Result<Vec<Vec<f32>>> {
        self.check(concept, masks, points)?;
        self.check_gradients(points, logit_gradients)?;
        let mut sum: Vec<Vec<f32>> =
            masks.iter().map(|mask| vec![0.0; mask.blocks() * mask.columns()]).collect();
        for batch in self.batches(Part::Masks, points)? {
            let chosen: Vec<&Point> = batch.iter().map(|&index| &points[index]).collect();
            let given = gathered(&batch, logit_gradients);
            let outputs = self.run(Part::Masks, concept, masks, &chosen, &given)?;
            for (sum, output) in sum.iter_mut().zip(&outputs) {
                let values = expect(output, "mask_gradient", sum.len())?;
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(sum)
    }

    fn check(&self, concept: usize, masks: &[Mask], points: &[Point]) -> Result<()> {
        let wrong = |place: &str, found: String, expected: String| {
            Err(Error::new(ErrorKind::Input, place, found, expected))
        };
        let concepts = self.schema().concept_count();
        if concept >= concepts {
            let expected = format!("one of 0 to {}", concepts - 1);
            return wrong("concept", concept.to_string(), expected);
        }
        self.description.check_masks(masks)?;
        let broken = |point: &&Point| {
            point.baseline.len() != point.ids.len() || point.attended > point.ids.len()
        };
        if let Some(Point { ids, attended, baseline, .. }) = points.iter().find(broken) {
            let found = format!("a baseline of {}, {attended} tokens", baseline.len());
            return wrong("point", found, format!("{} and at most as many", ids.len()));
        }
        Ok(())
    }

    fn check_gradients(&self, points: &[Point], logit_gradients: &[Vec<f32>]) -> Result<()> {
        let classes = self.schema().class_count();
        if logit_gradients.len() == points.len()
            && logit_gradients.iter().all(|gradient| gradient.len() == classes)
        {
            return Ok(());
        }
        let expected = format!("{classes} numbers for each of {} texts", points.len());
        Err(Error::new(ErrorKind::Input, "logit gradients", "others", expected))
    }

    /// The indices of points in runs of as many as fit; neighbours in length share a run, so that little of it
    /// is padding.
    fn batches(&self, part: Part, points: &[Point]) -> Result<Vec<Vec<usize>>> {
        let max_batch = self.parts.get(part)?.max_batch();
        let length = |&index: &usize| points[index].ids.len();
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by_key(length);
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for index in order {
            // The next is the longest so far.
            let fits = |batch: &Vec<usize>| {
                batch.len() < max_batch && (batch.len() + 1) * length(&index) <= POSITIONS
            };
            match batches.last_mut().filter(|batch| fits(batch)) {
                Some(batch) => batch.push(index),
                None => batches.push(vec![index]),
            }
        }
        Ok(batches)
    }

    /// One run of a part, padded on the right to the longest sequence.
    fn run(
        &self,
        part: Part,
        concept: usize,
        masks: &[Mask],
        batch: &[&Point],
        logit_gradients: &[f32],
    ) -> Result<Vec<Vec<f32>>> {
        let (rows, positions) = (batch.len(), longest(batch));
        let mut ids = vec![0; rows * positions];
        let mut baseline = vec![0; rows * positions];
        let mut attended = vec![0; rows * positions];
        for (point, start) in batch.iter().zip((0..).step_by(positions)) {
            let length = point.ids.len();
            ids[start..start + length].copy_from_slice(&point.ids);
            baseline[start..start + length].copy_from_slice(&point.baseline);
            attended[start..start + point.attended].fill(1);
        }
        let alpha: Vec<f32> = batch.iter().map(|point| point.alpha).collect();
        let concept = [concept as i64];
        let input = |shape: &[usize], values| Input { shape: shape.to_vec(), values };
        // As `Parts::get` names them.
        let mut inputs = vec![
            input(&[rows, positions], Values::Int64(&ids)),
            input(&[rows, positions], Values::Int64(&baseline)),
            input(&[rows], Values::Float(&alpha)),
            input(&[rows, positions], Values::Int64(&attended)),
            input(&[1], Values::Int64(&concept)),
        ];
        if part.is_gradient() {
            let shape = [rows, logit_gradients.len() / rows];
            inputs.push(input(&shape, Values::Float(logit_gradients)));
        }
        for mask in masks {
            let shape = [mask.blocks(), mask.width()];
            inputs.push(input(&shape, Values::Uint8(mask.bits())));
        }
        self.parts.get(part)?.run(&inputs)
    }
}

fn gathered(indices: &[usize], rows: &[Vec<f32>]) -> Vec<f32> {
    indices.iter().flat_map(|&index| &rows[index]).copied().collect()
}

fn longest(batch: &[&Point]) -> usize {
    batch.iter().map(|point| point.ids.len()).max().unwrap_or(0)
}

/// An output, which must have `count` elements.
fn expect<'a>(values: &'a [f32], name: &str, count: usize) -> Result<&'a [f32]> {
    if values.len() != count {
        let place = format!("gradient graph: output '{name}'");
        let found = format!("{} values", values.len());
        return Err(Error::new(ErrorKind::Engine, place, found, format!("{count} values")));
    }
    Ok(values)
}
