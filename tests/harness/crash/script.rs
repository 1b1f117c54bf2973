//! What a run is about: which effects are cut, how often each was begun, and whether the process
//! lives.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    cut::{Cut, Dropped, Point, PollCut},
    effect::Effect,
};

/// Counts by effect.
pub(super) type Counts = BTreeMap<Effect, usize>;

/// What happens to an effect that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on, perhaps to be cut.
    Goes(Option<Cut>),
    /// Its process is dead: it never goes anywhere.
    Dead,
}

/// One run's script; shared by its processes, one after the other.
#[derive(Default)]
pub(super) struct Script {
    state: Mutex<State>,
    died: Notify,
}

#[derive(Default)]
struct State {
    points: Vec<Point>,
    cuts: Vec<Point>,
    poll_cut: Option<PollCut>,
    polls: usize,
    begun: Counts,
    done: Counts,
    /// The process whose effects count; those of an earlier one are dead.
    process: u64,
    is_dying: bool,
    is_dead: bool,
    under_way: usize,
    mutations_under_way: usize,
    last_sign: Option<Instant>,
    complaints: Vec<String>,
    trail: Vec<String>,
}

impl Script {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on effects are counted from zero, and these are cut.
    pub(super) fn open(&self, points: &[Point]) {
        let mut state = self.state();
        *state = State { process: state.process, points: points.to_vec(), ..State::default() };
    }

    /// From here on something is dropped after this poll, too.
    pub(super) fn cut_at(&self, cut: Option<PollCut>) {
        self.state().poll_cut = cut;
    }

    /// A wait of `process` was polled; tells what is dropped now.
    pub(super) fn poll(&self, process: u64) -> Option<Dropped> {
        let mut state = self.state();
        if state.process != process || state.is_dead {
            return None;
        }
        state.polls += 1;
        let now = state.polls;
        let dropped = state.poll_cut.take_if(|cut| cut.poll == now)?.dropped;
        state.trail.push(format!("  ← {dropped:?} dropped after poll {now}"));
        if dropped == Dropped::Process {
            state.is_dead = true;
            self.died.notify_one();
        }
        Some(dropped)
    }

    /// Polls so far, and whether the cut at one of them is still to come.
    pub(super) fn polls(&self) -> (usize, bool) {
        let state = self.state();
        (state.polls, state.poll_cut.is_some())
    }

    /// A new process; the one before is dead.
    pub(super) fn next_process(&self) -> u64 {
        let mut state = self.state();
        state.process += 1;
        (state.is_dying, state.is_dead, state.under_way, state.mutations_under_way) = (false, false, 0, 0);
        state.last_sign = Some(Instant::now());
        state.trail.push("— a process begins".to_owned());
        state.process
    }

    /// An effect of `process` is about to begin.
    pub(super) fn begin(&self, effect: Effect, process: u64) -> Fate {
        let mut state = self.state();
        if state.process != process || state.is_dead {
            return Fate::Dead;
        }
        if state.is_dying {
            state.is_dead = true;
            self.died.notify_one();
            return Fate::Dead;
        }
        let count = state.begun.entry(effect).or_default();
        let nth = *count;
        *count += 1;
        let at = state.points.iter().position(|point| point.effect == effect && point.nth == nth);
        let point = at.map(|at| state.points.remove(at));
        state.cuts.extend(point);
        state.under_way += 1;
        state.last_sign = state.last_sign.max(Some(Instant::now()));
        let cut = point.map(|point| point.cut);
        state.trail.push(format!("{effect} #{nth}{}", cut.map_or_else(String::new, |cut| format!("  ← {cut:?}"))));
        Fate::Goes(cut)
    }

    /// An effect has come to an end; `is_done` tells whether it took place.
    pub(super) fn end(&self, effect: Effect, process: u64, is_done: bool) {
        let mut state = self.state();
        if is_done {
            *state.done.entry(effect).or_default() += 1;
        }
        if state.process == process {
            state.under_way = state.under_way.saturating_sub(1);
            state.last_sign = state.last_sign.max(Some(Instant::now()));
        }
    }

    /// The process ends before its next effect.
    pub(super) fn doom(&self) {
        self.state().is_dying = true;
    }

    /// Whether the process has been told to end and did nothing since.
    pub(super) fn is_dying(&self) -> bool {
        self.state().is_dying
    }

    /// Resolves when the process is dead.
    pub(super) async fn died(&self) {
        self.died.notified().await;
    }

    /// A change at the bank begins; more than one at a time is against the rules (`S15`).
    pub(super) fn begin_mutation(&self) {
        let mut state = self.state();
        state.mutations_under_way += 1;
        if state.mutations_under_way > 1 {
            state.complaints.push("S15: two changes at the bank at the same time".to_owned());
        }
    }

    /// A change at the bank has come to an end.
    pub(super) fn end_mutation(&self) {
        let mut state = self.state();
        state.mutations_under_way = state.mutations_under_way.saturating_sub(1);
    }

    /// How long nothing has been under way; `None` while something is.
    pub(super) fn quiet_for(&self) -> Option<Duration> {
        let state = self.state();
        (state.under_way == 0).then(|| state.last_sign.map_or(Duration::MAX, |sign| sign.elapsed()))
    }

    /// Something is about to happen: time has passed.
    pub(super) fn stir(&self) {
        self.state().last_sign = Some(Instant::now());
    }

    /// A rule was broken.
    pub(super) fn complain(&self, complaint: &str) {
        let mut state = self.state();
        let last = state.trail.last().cloned().unwrap_or_default();
        state.complaints.push(format!("{complaint} (at {last})"));
    }

    /// Every broken rule.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.state().complaints.clone()
    }

    /// Effects that were begun.
    pub(super) fn begun(&self) -> Counts {
        self.state().begun.clone()
    }

    /// Effects that took place.
    pub(super) fn done(&self) -> Counts {
        self.state().done.clone()
    }

    /// What was really cut.
    pub(super) fn cuts(&self) -> Vec<Point> {
        self.state().cuts.clone()
    }

    /// What happened, step by step.
    pub(super) fn trail(&self) -> String {
        self.state().trail.join("\n    ")
    }
}
