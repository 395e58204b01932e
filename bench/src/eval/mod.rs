//! How good a model is on labelled reviews: its classes, what corrections are worth, and how well an
//! override foretells what a person's edit did.

mod edits;
mod metrics;
mod policies;
mod report;
mod reviews;
mod run;

pub use edits::{EditEffect, HumanEdit, human_edits};
pub use metrics::{accuracy, macro_f1, paper_macro_f1, pearson};
pub use policies::{PolicyCurve, policy_curves};
pub use report::{ConceptReport, Report};
pub use reviews::{Review, read_reviews};
pub use run::evaluate;
