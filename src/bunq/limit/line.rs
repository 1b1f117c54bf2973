//! Who waits with one priority. Turns go round the namespaces, and in each of them by arrival: a user has one place
//! in a lane, and goes to the end when it comes again.

use std::{collections::HashMap, sync::Arc};

use super::ordered::Ordered;

/// A place in a line: in which round, and who came first.
pub(super) type Place = (u64, u64);

/// One line.
#[derive(Debug, Default)]
pub(super) struct Line {
    places: Ordered<Place>,
    /// The round of the last turn: nobody who comes later goes before it.
    round: u64,
    /// The round in which a namespace is next.
    next: HashMap<Arc<str>, u64>,
    /// So many namespaces are kept before the rounds that are over are forgotten.
    room: usize,
    /// Turns of others since this line had one, while somebody waited in it.
    pub(super) passed_over: usize,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many places of this line come first.
    pub(super) fn before(&self, place: Place) -> usize {
        self.places.before(&place)
    }

    /// Takes a place for the user who came as number `arrival`.
    pub(super) fn join(&mut self, namespace: &Arc<str>, arrival: u64) -> Place {
        if self.next.len() >= self.room {
            let round = self.round;
            self.next.retain(|_, next| *next > round);
            self.room = 2 * self.next.len() + 16;
        }
        let next = self.next.entry(Arc::clone(namespace)).or_default();
        let place = (self.round.max(*next), arrival);
        *next = place.0 + 1;
        self.places.insert(place);
        place
    }

    /// Whoever had this place had a turn.
    pub(super) fn serve(&mut self, place: Place) {
        self.places.remove(&place);
        self.round = self.round.max(place.0);
        self.passed_over = 0;
    }

    /// Whoever had this place waits no more.
    pub(super) fn leave(&mut self, namespace: &str, place: Place) {
        self.places.remove(&place);
        // The round was not used: whoever comes next from there has it.
        if let Some(next) = self.next.get_mut(namespace)
            && *next == place.0 + 1
        {
            *next = place.0;
        }
    }

    /// Somebody in another line had a turn.
    pub(super) fn pass_over(&mut self) {
        self.passed_over = if self.len() == 0 { 0 } else { self.passed_over.saturating_add(1) };
    }
}
