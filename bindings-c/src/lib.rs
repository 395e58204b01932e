//! The C library. Its documentation for callers is the header, `include/sparsecbm.h`, which is made from
//! the comments here; `README.md` tells how to build and install it.
//!
//! Every function that can fail runs inside `status::entry`, which turns errors and panics into a status
//! and a message; every pointer is read through `arguments`.

// The header says for each exported function what its pointers must be; that is its safety section.
#![allow(clippy::missing_safety_doc)]

mod arguments;
mod correct;
mod edit;
mod engine;
mod explain;
mod explanation;
mod gradients;
mod integrated;
mod intervene;
mod load;
mod model;
mod names;
mod occlusion;
mod options;
mod patch;
mod predict;
mod prediction;
mod question;
mod status;
mod subnetworks;
mod tokens;
mod version;
mod words;

pub use correct::*;
pub use edit::*;
pub use engine::*;
pub use explain::*;
pub use explanation::*;
pub use gradients::*;
pub use integrated::*;
pub use intervene::*;
pub use load::*;
pub use model::*;
pub use occlusion::*;
pub use patch::*;
pub use predict::*;
pub use prediction::*;
pub use question::*;
pub use status::*;
pub use subnetworks::*;
pub use tokens::*;
pub use version::*;
pub use words::*;
