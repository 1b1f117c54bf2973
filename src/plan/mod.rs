//! What to do next, decided from plain data.
//!
//! [`next`] looks at what is wanted and what is known and names **one** step. The caller carries
//! it out, tells the outcome with [`learn()`], and asks again, until there is nothing left to do.
//! Nothing is remembered between passes but the [`Journal`], which is written before the call it
//! speaks of: a crash anywhere is just another pass.
//!
//! ```text
//! observe ──▶ next(want, seen, now) ──▶ act ──▶ learn ──┐
//!                 ▲                                      │
//!                 └──────────────────────────────────────┘
//! ```
//!
//! There is no I/O here, no clock and no secret: the planner knows only whether a pair of
//! credentials is in hand.
//!
//! | module | holds |
//! |---|---|
//! | `reason` | every reason that a condition can carry, and [`Stall`]: why a person has to act |
//! | `journal` | [`Journal`]: what must survive a crash |
//! | `desired` | [`Desired`]: what is wanted |
//! | `action` | [`Step`] and [`Action`]: what the planner can ask for |
//! | `observed` | [`Observed`]: what is known |
//! | `learn` | what an action taught |
//! | `rules` | the table of rules: [`next`] |
//! | `backoff` | when a failed pass is tried again |

pub mod action;
pub mod backoff;
pub mod desired;
pub mod journal;
pub mod learn;
pub mod observed;
pub mod reason;
mod rules;

pub use action::{Action, Mutation, Step, Verdict, Waiting};
pub use desired::{Desired, DesiredStatus};
pub use journal::{Answer, Cause, CreateBody, Journal, Origin, Target};
pub use learn::{Learned, Missed, learn};
pub use observed::{Client, ClientStatus, Entry, Listing, Observed, Output, Remembered, Seen, Urls};
pub use reason::{Reason, Stall, Weight};
pub use rules::next;
