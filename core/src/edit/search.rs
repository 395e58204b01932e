use std::ops::ControlFlow;
use std::time::Duration;

use super::deadline::Deadline;
use super::rank::{Pair, rank};
use super::report::{Edit, EditOutcome};
use super::task::EditTask;
use crate::concept_layer::softmax;
use crate::error::{Error, ErrorKind, Result};
use crate::gradients::{Gradients, MaskEditor};
use crate::pauses::{at_once, without_pauses};
use crate::prediction::argmax;
use crate::tokenizer::Tokens;

/// By how much the logit of the class that is wanted must be above all others: engines differ by less.
const MARGIN: f32 = 1e-3;

/// The gradient is taken again where less than this share of what it promised comes true.
const KEPT_PROMISE: f32 = 0.5;

/// How far an edit may go.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EditOptions {
    /// At most so large a share of the bits that the mask keeps are pruned, and as many grown.
    pub max_share: f64,
    /// What the mean loss of the guards counts beside the mean loss of the examples.
    pub guard_weight: f32,
    /// How often the gradient is taken again where one is not enough; at least once.
    pub rounds: usize,
    /// The search ends when this time is over: looked at between two runs of the model.
    pub time_limit: Option<Duration>,
}

impl Default for EditOptions {
    /// A hundredth of the kept bits, guards counting as much as examples, 32 rounds, no time limit.
    fn default() -> EditOptions {
        EditOptions { max_share: 0.01, guard_weight: 1.0, rounds: 32, time_limit: None }
    }
}

/// How far the search for an edit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EditProgress {
    /// Runs of the model done; how many there will be is not known.
    pub runs: usize,
    /// Bits that the masks at hand flips.
    pub flips: usize,
    /// How many examples are of the class that is wanted with it.
    pub turned: usize,
    /// How many guards are not of their class any more.
    pub broken: usize,
}

impl Gradients {
    /// Searches the smallest edit of a concept's mask that gives every example of `task` the class it is to
    /// have and leaves every guard its own.
    ///
    /// Bits are ranked by the **signed** gradient of the loss (cross entropy): those whose pruning lowers
    /// it most, and as many whose growing does, so that the mask keeps as many bits as it had. The number
    /// of bits is doubled until the classes are right; then the smallest number is found by bisection. Where
    /// the loss falls by less than half of what the gradient promised, the number with the smallest loss is
    /// kept and the gradient taken again.
    ///
    /// `progress` is called between runs of the model; where it breaks, the search ends.
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use sparsecbm::edit::EditTask;
    /// use sparsecbm::{Gradients, LoadOptions, Model};
    ///
    /// # fn main() -> sparsecbm::Result<()> {
    /// let options = LoadOptions::default();
    /// let model = Model::load("model.onnx", &options)?;
    /// let gradients = Gradients::load("model.gradients.onnx", &model, &options)?;
    /// let mut task = EditTask::new(&model, "noise")?;
    /// task.example(&model.predict("We could not complain about the noise.")?, "positive")?;
    /// let edit = gradients.edit(&task, &Default::default(), |_| ControlFlow::Continue(()))?;
    /// println!("{} bits", edit.flips);
    /// let edited = model.with_patches(&[edit.patch])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Input` where the task has no example, its model is not the gradients' own or holds its masks folded
    /// into the weights, or an option is out of range; `Unavailable` for a time limit where the platform has
    /// no clock; `Engine` where the engine fails.
    pub fn edit(
        &self,
        task: &EditTask,
        options: &EditOptions,
        progress: impl FnMut(EditProgress) -> ControlFlow<()>,
    ) -> Result<Edit> {
        without_pauses(self.edit_with_pauses(task, options, at_once(progress)))
    }

    /// As [`Gradients::edit`], where `progress` may wait: for a program that has one thread and other work for it, such
    /// as a page's worker, which hears of being cancelled only then. Runs of the model themselves do not wait.
    ///
    /// # Errors
    /// As [`Gradients::edit`].
    pub async fn edit_with_pauses(
        &self,
        task: &EditTask,
        options: &EditOptions,
        progress: impl AsyncFnMut(EditProgress) -> ControlFlow<()>,
    ) -> Result<Edit> {
        check(task, options)?;
        let schema = task.model.schema();
        let editor = MaskEditor::new(self, &task.model, &schema.concepts[task.concept].name)?;
        let kept: usize = editor.masks().iter().map(|mask| mask.kept()).sum();
        let mut search = Search {
            editor,
            aims: aims(task, options),
            examples: task.examples.len(),
            room: (kept as f64 * options.max_share) as usize,
            flips: 0,
            runs: 0,
            deadline: Deadline::new(options.time_limit)?,
            progress,
        };
        let outcome = search.run(options.rounds).await?;
        let Search { editor, runs, .. } = search;
        Edit::new(task, &editor, kept, outcome, runs)
    }
}

fn check(task: &EditTask, options: &EditOptions) -> Result<()> {
    let wrong = |place: &str, found: String, expected: &str| {
        Err(Error::new(ErrorKind::Input, place, found, expected))
    };
    if task.examples.is_empty() {
        return wrong("examples of the edit", "none".into(), "at least one");
    }
    if !(options.max_share > 0.0 && options.max_share <= 1.0) {
        let found = options.max_share.to_string();
        return wrong("max_share", found, "a share above 0, at most 1");
    }
    if !(options.guard_weight.is_finite() && options.guard_weight >= 0.0) {
        return wrong("guard_weight", options.guard_weight.to_string(), "a number from 0");
    }
    if options.rounds == 0 {
        return wrong("rounds", "0".into(), "1 or more");
    }
    Ok(())
}

/// A text and the class that it is to have.
struct Aim<'a> {
    tokens: &'a Tokens,
    class: usize,
    /// What its loss counts.
    weight: f32,
}

/// The examples, then the guards.
fn aims<'a>(task: &'a EditTask, options: &EditOptions) -> Vec<Aim<'a>> {
    let share = 1.0 / task.examples.len() as f32;
    let examples = task.examples.iter().map(|(prediction, class)| Aim {
        tokens: prediction.tokenized(),
        class: *class,
        weight: share,
    });
    let share = options.guard_weight / task.guards.len() as f32;
    let guards = task.guards.iter().map(|prediction| Aim {
        tokens: prediction.tokenized(),
        class: prediction.own_class(task.concept),
        weight: share,
    });
    examples.chain(guards).collect()
}

struct Search<'a, P> {
    editor: MaskEditor,
    aims: Vec<Aim<'a>>,
    /// How many of the aims, from the first, are examples.
    examples: usize,
    /// How many more pairs of bits may be flipped.
    room: usize,
    /// Bits that are flipped.
    flips: usize,
    runs: usize,
    deadline: Deadline,
    progress: P,
}

/// What the masks at hand makes of the aims.
struct State {
    /// `[C]` for each aim.
    logits: Vec<Vec<f32>>,
    loss: f32,
    turned: usize,
    broken: usize,
}

/// How a walk along one ranking ended.
enum WalkEnd {
    /// All aims are met.
    Met,
    /// They are not, but this many pairs have the smallest loss.
    Better(usize, State),
    /// No number of pairs lowers the loss.
    Nothing,
    /// It was ended, with the smallest loss so far.
    Stopped,
}

impl<P: AsyncFnMut(EditProgress) -> ControlFlow<()>> Search<'_, P> {
    async fn run(&mut self, rounds: usize) -> Result<EditOutcome> {
        let mut state = self.measure()?;
        for _ in 0..rounds {
            if self.is_met(&state) {
                return Ok(EditOutcome::Turned);
            }
            if self.is_over(&state).await {
                return Ok(EditOutcome::Stopped);
            }
            let pairs = self.rank(&state)?;
            match self.walk(&pairs, state.loss).await? {
                WalkEnd::Met => return Ok(EditOutcome::Turned),
                WalkEnd::Stopped => return Ok(EditOutcome::Stopped),
                WalkEnd::Nothing => break,
                WalkEnd::Better(count, better) => {
                    self.room -= count;
                    state = better;
                }
            }
        }
        Ok(EditOutcome::NotTurned)
    }

    /// Pairs of bits whose flipping lowers the loss, the best first.
    fn rank(&mut self, state: &State) -> Result<Vec<Pair>> {
        let gradient = |(aim, logits): (&Aim, &Vec<f32>)| {
            let mut gradient = softmax(logits);
            gradient[aim.class] -= 1.0;
            gradient.iter().map(|part| aim.weight * part).collect()
        };
        let of_logits: Vec<Vec<f32>> = self.aims.iter().zip(&state.logits).map(gradient).collect();
        self.runs += 1;
        let gradients = self.editor.mask_gradients(&self.texts(), &of_logits)?;
        Ok(rank(self.editor.masks(), &gradients, self.room))
    }

    /// Flips the smallest number of pairs that meets all aims, else the number with the smallest loss, if that
    /// is below `loss`, which is that of none.
    async fn walk(&mut self, pairs: &[Pair], loss: f32) -> Result<WalkEnd> {
        let mut walk = Walk { pairs, flipped: 0 };
        let mut best: Option<(usize, State)> = None;
        // Numbers of pairs that do not meet the aims, and that do.
        let (mut low, mut high) = (0, 0);
        let mut bent = false;
        while high == 0 && !(bent && best.is_some()) && low < pairs.len() {
            let next = (2 * low).clamp(1, pairs.len());
            walk.go(&mut self.editor, next, &mut self.flips);
            let state = self.measure()?;
            if self.is_met(&state) {
                high = next;
                continue;
            }
            if self.is_over(&state).await {
                walk.go(&mut self.editor, best.map_or(0, |(count, _)| count), &mut self.flips);
                return Ok(WalkEnd::Stopped);
            }
            let promised: f32 = pairs[..next].iter().map(|pair| pair.gain).sum();
            bent = loss - state.loss < KEPT_PROMISE * promised;
            if state.loss < best.as_ref().map_or(loss, |(_, best)| best.loss) {
                best = Some((next, state));
            }
            low = next;
        }
        if high == 0 {
            walk.go(
                &mut self.editor,
                best.as_ref().map_or(0, |(count, _)| *count),
                &mut self.flips,
            );
            return Ok(
                best.map_or(WalkEnd::Nothing, |(count, state)| WalkEnd::Better(count, state))
            );
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            walk.go(&mut self.editor, middle, &mut self.flips);
            let state = self.measure()?;
            match self.is_met(&state) {
                true => high = middle,
                false => low = middle,
            }
            if self.is_over(&state).await {
                break;
            }
        }
        walk.go(&mut self.editor, high, &mut self.flips);
        Ok(WalkEnd::Met)
    }

    fn measure(&mut self) -> Result<State> {
        self.runs += 1;
        let logits = self.editor.logits(&self.texts())?;
        let mut state = State { loss: 0.0, turned: 0, broken: 0, logits };
        for (index, (aim, logits)) in self.aims.iter().zip(&state.logits).enumerate() {
            let probability = softmax(logits)[aim.class];
            state.loss -= aim.weight * probability.max(f32::MIN_POSITIVE).ln();
            match index < self.examples {
                true => state.turned += usize::from(is_clearly(logits, aim.class)),
                false => state.broken += usize::from(argmax(logits) != aim.class),
            }
        }
        Ok(state)
    }

    fn is_met(&self, state: &State) -> bool {
        state.turned == self.examples && state.broken == 0
    }

    /// Tells how far it is; whether the search is to end.
    async fn is_over(&mut self, state: &State) -> bool {
        let State { turned, broken, .. } = *state;
        let now = EditProgress { runs: self.runs, flips: self.flips, turned, broken };
        (self.progress)(now).await.is_break() || self.deadline.is_over()
    }

    fn texts(&self) -> Vec<&Tokens> {
        self.aims.iter().map(|aim| aim.tokens).collect()
    }
}

/// A ranking, of which the first few pairs are flipped.
struct Walk<'a> {
    pairs: &'a [Pair],
    flipped: usize,
}

impl Walk<'_> {
    /// Flips, or flips back, so that the first `count` are flipped.
    fn go(&mut self, editor: &mut MaskEditor, count: usize, flips: &mut usize) {
        let (from, to) = (self.flipped.min(count), self.flipped.max(count));
        for bit in self.pairs[from..to].iter().flat_map(|pair| pair.bits) {
            editor.flip(bit.matrix, bit.row, bit.column);
        }
        *flips = *flips + 2 * count - 2 * self.flipped;
        self.flipped = count;
    }
}

/// Whether the logits say `class` on every engine.
fn is_clearly(logits: &[f32], class: usize) -> bool {
    let others = logits.iter().enumerate().filter(|&(other, _)| other != class);
    others.map(|(_, logit)| logit).all(|logit| logits[class] > logit + MARGIN)
}
