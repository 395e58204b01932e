//! How good a model is on labelled reviews: its classes, how far its probabilities can be believed, what
//! corrections are worth, and how well supposing predicts what a person's edit did.

mod calibration;
mod edits;
mod metrics;
mod policies;
mod report;
mod reviews;
mod run;

pub use calibration::{Bin, Calibration};
pub use edits::{EditFigures, EditOutcomes, HumanEdit, SupposeReport, human_edits};
pub use metrics::{
    accuracy, argmax, average_precision, macro_f1, paper_macro_f1, pearson, roc_area,
};
pub use policies::{PolicyCurve, policy_curves};
pub use report::{CalibrationReport, ConceptReport, CorrectReport, Report};
pub use reviews::{Review, read_reviews};
pub use run::evaluate;
