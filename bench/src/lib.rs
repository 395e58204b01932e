//! Every measurement of the project, and what they share. The evaluation lives here rather than with the command:
//! studies are made of it, and the command, which depends on this crate, reaches it too.

pub mod bench;
mod charts;
pub mod eval;
pub mod study;
pub mod variants;
