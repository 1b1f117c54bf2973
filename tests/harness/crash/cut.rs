//! What is cut, and how.

use std::fmt;

use super::effect::Effect;

/// What becomes of an effect and of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// It does not happen; the operator hears of an error.
    Before,
    /// It happens; the operator hears of an error all the same.
    Lost,
    /// It happens, the operator hears of it, and the process ends before its next effect.
    After,
    /// It happens; the pass is dropped where it waits for the answer. The process lives, with all that it
    /// remembers.
    Dropped,
}

impl Cut {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Before, Self::Lost, Self::After, Self::Dropped];

    /// Whether it ends the process or a pass of it.
    #[must_use]
    pub fn is_crash(self) -> bool {
        matches!(self, Self::After | Self::Dropped)
    }
}

/// What is dropped where it waits, at one of the polls of everything that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The pass; the process lives, with all that it remembers.
    Pass,
    /// The process, and with it every pass.
    Process,
}

/// A poll of a run, counted from one, after which something is dropped. What was under way may happen or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollCut {
    /// Which poll.
    pub poll: usize,
    /// What is dropped.
    pub dropped: Dropped,
}

/// One effect of a run, and its cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Which effect.
    pub effect: Effect,
    /// The how many-th of its kind in the run, from zero.
    pub nth: usize,
    /// How it is cut.
    pub cut: Cut,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{} {:?}", self.effect, self.nth, self.cut)
    }
}
