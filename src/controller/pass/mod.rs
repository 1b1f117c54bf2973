//! One manifest, once: look, ask the planner, act, learn, tell.
//!
//! | file | holds |
//! |---|---|
//! | `frame` | the frame of a pass: live read, greeting, status, Events, appointment |
//! | `greeting` | the first visit |
//! | `walk` | the pass itself, step by step |
//! | `end` | how it ends |
//! | `gather` | the key, the inputs, and whether they may be tried yet |
//! | `whose` | finds the claim to work under, or takes one for the user that a session proves |
//! | `conversation` | with the bank |
//! | `ledger` | writes the journal into the claim before a change is sent |
//! | `output` | the published Secret |
//! | `finalizer` | our finalizer |
//! | `translate` | manifest and answers in the planner's words; which environment it is |
//! | `report` | what came of it, as people are told |
//! | `due` | when the next pass is due |
//! | `parts` | what passes work with |

mod conversation;
mod due;
mod end;
mod finalizer;
mod frame;
mod gather;
mod greeting;
mod ledger;
mod output;
mod parts;
mod report;
mod translate;
mod walk;
mod whose;

pub(crate) use frame::{Frame, reconcile};
pub(crate) use parts::Parts;
pub(crate) use report::Grantee;
