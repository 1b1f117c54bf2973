//! Crash points: every effect of the running operator, cut in every way, one at a time or two (`T3`).
//!
//! Both seams of the operator, its Kubernetes client and its transport to the bank, go through a
//! wire that recognises each effect, counts it, has it judged, and cuts the ones that a run is
//! about. The API server is real, the bank is the emulator, the executor is the one that ships.

mod campaign;
mod cut;
mod effect;
mod end;
mod judge;
mod run;
mod script;
mod story;
mod wire;

pub use campaign::Reference;
pub use cut::{Cut, Dropped, Point, PollCut};
pub use effect::Effect;
pub use run::{Lane, Record};
pub use story::{STORIES, Story};
