//! Whose turn one call is, and when.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::line::{Line, Place};

/// Who goes first (protocol §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A key that dies unless it is used soon.
    NewKey,
    /// A deletion with a deadline.
    Deletion,
    /// Somebody changed something and waits.
    Change,
    /// Routine.
    Resync,
}

impl Priority {
    const ALL: [Self; 4] = [Self::NewKey, Self::Deletion, Self::Change, Self::Resync];
}

/// Who asks for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker<'a> {
    /// Turns go round the namespaces first.
    pub namespace: &'a str,
    /// One user of the bank, by the name of its key's context: it has one place in each lane.
    pub user: &'a str,
}

/// How long an asker may be late before it loses its place.
const GRACE: Duration = Duration::from_secs(5);
/// So many turns of more urgent ones, and the next is for those who waited meanwhile: so nobody starves.
const PATIENCE: usize = 10;
/// So many appointments are looked through for a slot that nobody is expected to take.
const NEAR: usize = 64;

/// So many calls in any stretch of so long.
#[derive(Debug, Clone, Copy)]
pub(in crate::bunq) struct Window {
    pub(in crate::bunq) calls: usize,
    pub(in crate::bunq) length: Duration,
}

/// The queue before one call.
#[derive(Debug, Default)]
pub(in crate::bunq) struct Lane {
    /// When the last slots were taken, oldest first.
    taken: VecDeque<Duration>,
    /// Nobody goes before this.
    closed_until: Duration,
    lines: Lines,
    /// Everybody who waits, by the number of their arrival.
    waiting: HashMap<u64, Waiter>,
    arrivals: HashMap<Arc<str>, u64>,
    /// When whoever waits was told to come.
    appointments: BTreeSet<(Duration, u64)>,
    arrived: u64,
    /// By those who had their turn.
    waited: Duration,
}

#[derive(Debug)]
struct Waiter {
    user: Arc<str>,
    namespace: Arc<str>,
    stand: Stand,
    since: Duration,
    due: Duration,
}

/// Where somebody waits.
#[derive(Debug, Clone, Copy)]
struct Stand {
    priority: Priority,
    place: Place,
}

impl Lane {
    /// Zero: go now, the slot is taken. Otherwise: ask again after that long.
    pub(in crate::bunq) fn reserve(
        &mut self,
        asker: Asker<'_>,
        priority: Priority,
        now: Duration,
        window: Window,
    ) -> Duration {
        let wait = self.ask(asker, priority, now, window);
        if wait.is_zero() {
            self.take(asker.user, now);
        }
        wait
    }

    /// The same, and a slot that is free stays free.
    pub(in crate::bunq) fn ask(
        &mut self,
        asker: Asker<'_>,
        priority: Priority,
        now: Duration,
        window: Window,
    ) -> Duration {
        self.forget(asker.user, now, window);
        let (arrival, told) = self.queue(asker, priority, now);
        let Some(stand) = self.waiting.get(&arrival).map(|waiter| waiter.stand) else { return Duration::ZERO };
        if let Some(told) = told {
            self.appointments.remove(&(told, arrival));
        }
        let slots = Slots::of(&self.taken, now.max(self.closed_until), window);
        let ahead = self.ahead(stand, now);
        let due =
            if ahead < slots.free(now) { now } else { slots.at(self.vacant(&slots, self.before(stand)).max(ahead)) };
        self.appointments.insert((due, arrival));
        if let Some(waiter) = self.waiting.get_mut(&arrival) {
            waiter.due = due;
        }
        due.saturating_sub(now)
    }

    /// Takes the slot that is free now.
    fn take(&mut self, user: &str, now: Duration) {
        let Some(waiter) = self.remove(user) else { return };
        self.waited += now.saturating_sub(waiter.since);
        self.taken.push_back(now);
        self.lines.serve(waiter.stand);
    }

    /// When this user was told to come, if it waits.
    pub(in crate::bunq) fn appointment(&self, user: &str) -> Option<Duration> {
        Some(self.waiting.get(self.arrivals.get(user)?)?.due)
    }

    /// Nobody goes before `until`.
    pub(in crate::bunq) fn close(&mut self, until: Duration) {
        self.closed_until = self.closed_until.max(until);
    }

    /// How long they waited, all together, who had their turn since this was asked last.
    pub(super) fn drain_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// Old slots, and askers that never came back. Whoever comes late keeps its place if nobody else came meanwhile.
    fn forget(&mut self, asker: &str, now: Duration, window: Window) {
        while self.taken.front().is_some_and(|taken| *taken + window.length <= now) {
            self.taken.pop_front();
        }
        while let Some((due, arrival)) = self.appointments.first().copied()
            && due + GRACE < now
            && self.waiting.get(&arrival).is_none_or(|waiter| *waiter.user != *asker)
        {
            self.appointments.remove(&(due, arrival));
            let user = self.waiting.get(&arrival).map(|waiter| Arc::clone(&waiter.user));
            if let Some(waiter) = user.and_then(|user| self.remove(&user)) {
                self.lines.of_mut(waiter.stand.priority).leave(&waiter.namespace, waiter.stand.place);
            }
        }
    }

    fn remove(&mut self, user: &str) -> Option<Waiter> {
        let arrival = self.arrivals.remove(user)?;
        let waiter = self.waiting.remove(&arrival)?;
        self.appointments.remove(&(waiter.due, arrival));
        Some(waiter)
    }

    /// The number of this user's arrival, and when it was told to come if it was here before.
    fn queue(&mut self, asker: Asker<'_>, priority: Priority, now: Duration) -> (u64, Option<Duration>) {
        let known = self.arrivals.get(asker.user).copied();
        if let Some(arrival) = known
            && let Some(waiter) = self.waiting.get_mut(&arrival)
        {
            // Two manifests may share a user: what is urgent for one of them is not put off by the other.
            if priority < waiter.stand.priority {
                self.lines.of_mut(waiter.stand.priority).leave(&waiter.namespace, waiter.stand.place);
                let place = self.lines.of_mut(priority).join(&waiter.namespace, arrival);
                waiter.stand = Stand { priority, place };
            }
            return (arrival, Some(waiter.due));
        }
        self.arrived += 1;
        let arrival = self.arrived;
        let (user, namespace) = (Arc::<str>::from(asker.user), Arc::<str>::from(asker.namespace));
        let stand = Stand { priority, place: self.lines.of_mut(priority).join(&namespace, arrival) };
        self.arrivals.insert(Arc::clone(&user), arrival);
        self.waiting.insert(arrival, Waiter { user, namespace, stand, since: now, due: now });
        (arrival, None)
    }

    /// How many others may have come by now and go first.
    fn ahead(&self, stand: Stand, now: Duration) -> usize {
        let come = self.appointments.iter().take_while(|(due, _)| *due <= now);
        let others = come.filter_map(|(_, arrival)| self.waiting.get(arrival));
        others.filter(|other| self.lines.rank(other.stand) < self.lines.rank(stand)).count()
    }

    /// How many turns come before this one's, whenever the others come.
    fn before(&self, stand: Stand) -> usize {
        let more_urgent = Priority::ALL.into_iter().take_while(|priority| *priority < stand.priority);
        let line = self.lines.of(stand.priority);
        let in_line = line.before(stand.place);
        let at_the_latest = in_line * (PATIENCE + 1) + PATIENCE.saturating_sub(line.passed_over);
        let by_priority = in_line + more_urgent.map(|priority| self.lines.of(priority).len()).sum::<usize>();
        by_priority.min(at_the_latest)
    }

    /// The first slot before `place` that nobody is expected to take, so that none stays empty: whoever goes first
    /// may have been told to come later.
    fn vacant(&self, slots: &Slots, place: usize) -> usize {
        let mut expected = self.appointments.iter().take(place.min(NEAR)).enumerate();
        expected.find(|(index, (due, _))| *due > slots.at(*index)).map_or(place, |(index, _)| index)
    }
}

/// A line for each priority.
#[derive(Debug, Default)]
struct Lines {
    new_key: Line,
    deletion: Line,
    change: Line,
    resync: Line,
}

impl Lines {
    fn of(&self, priority: Priority) -> &Line {
        match priority {
            Priority::NewKey => &self.new_key,
            Priority::Deletion => &self.deletion,
            Priority::Change => &self.change,
            Priority::Resync => &self.resync,
        }
    }

    fn of_mut(&mut self, priority: Priority) -> &mut Line {
        match priority {
            Priority::NewKey => &mut self.new_key,
            Priority::Deletion => &mut self.deletion,
            Priority::Change => &mut self.change,
            Priority::Resync => &mut self.resync,
        }
    }

    /// Who goes first: a line that was passed over too often, then by priority and place.
    fn rank(&self, stand: Stand) -> (bool, Priority, Place) {
        (self.of(stand.priority).passed_over < PATIENCE, stand.priority, stand.place)
    }

    /// Whoever stands here has a turn.
    fn serve(&mut self, stand: Stand) {
        for priority in Priority::ALL {
            let line = self.of_mut(priority);
            if priority == stand.priority { line.serve(stand.place) } else { line.pass_over() }
        }
    }
}

/// When the next turns are: as many as the window has, and the same again one window later, and so on.
#[derive(Debug)]
struct Slots {
    first: Vec<Duration>,
    length: Duration,
}

impl Slots {
    /// After those that were taken, and not before `floor`.
    fn of(taken: &VecDeque<Duration>, floor: Duration, window: Window) -> Self {
        let fresh = window.calls.saturating_sub(taken.len());
        let after = taken.iter().map(|taken| floor.max(*taken + window.length));
        let first = std::iter::repeat_n(floor, fresh).chain(after).take(window.calls).collect();
        Self { first, length: window.length }
    }

    fn free(&self, now: Duration) -> usize {
        self.first.iter().filter(|slot| **slot <= now).count()
    }

    fn at(&self, index: usize) -> Duration {
        let calls = self.first.len().max(1);
        let windows = u32::try_from(index / calls).unwrap_or(u32::MAX);
        self.first.get(index % calls).copied().unwrap_or_default() + self.length.saturating_mul(windows)
    }
}
