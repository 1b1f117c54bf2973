//! The bank's windows (`bunq-api §7`), as a queue that tells everybody when to come back.
//!
//! No clock and no waiting inside: callers pass monotonic time and keep the wait (`D16`).
//!
//! | module | holds |
//! |---|---|
//! | `ordered` | what is sorted, and how many stand before whom |
//! | `line` | who waits with one priority: turns go round the namespaces |
//! | `lane` | whose turn one call is, and when: by priority, line and window |
//! | `limiter` | every lane of both banks |

mod lane;
mod limiter;
mod line;
mod ordered;

pub use lane::{Asker, Priority};
pub(super) use lane::{Lane, Window};
pub use limiter::{LimitMode, Limiter, SESSION_WINDOW};
